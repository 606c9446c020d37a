"""AWS's field ``ResultWriter``: where the results of a map go, and in which form."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .errors import InvalidDefinition
from .values import Text, check_text, choice, is_jsonata, is_template, is_url, shown, split_s3_url

_PARAMETERS = "ResultWriter.Parameters"
_CONFIG = "ResultWriter.WriterConfig"


class Transformation(StrEnum):
    """How the results of succeeded child executions are written; failed ones are always written as NONE."""

    NONE = "NONE"
    """A record of each child execution: its input, output, status, names and times."""
    COMPACT = "COMPACT"
    """The outputs only."""
    FLATTEN = "FLATTEN"
    """The outputs only, the elements of an output that is an array one by one."""


class OutputType(StrEnum):
    """The format of the result files: one JSON array, or JSON Lines."""

    JSON = "JSON"
    JSONL = "JSONL"


@dataclass(frozen=True, kw_only=True)
class WriterConfig:
    """The form of the results. Source: "ResultWriter (Map)" in the AWS Step Functions guide."""

    transformation: Transformation = Transformation.NONE
    output_type: OutputType = OutputType.JSON

    def __post_init__(self) -> None:
        transformation = choice(Transformation, self.transformation, f"{_CONFIG}.Transformation")
        object.__setattr__(self, "transformation", transformation)
        object.__setattr__(self, "output_type", choice(OutputType, self.output_type, f"{_CONFIG}.OutputType"))


@dataclass(frozen=True, kw_only=True)
class ResultWriter:
    """Where the results go: ``bucket`` with or without ``prefix``, or ``url``; their form; or both. Never
    neither.

    With a ``writer_config`` and no place, the form is that of the map's own output. ``url`` with ``s3://``
    becomes ``bucket`` and ``prefix``. ``arguments`` is one JSONata expression instead of bucket and
    prefix. Raises :class:`InvalidDefinition`.
    """

    bucket: Text | None = None
    prefix: Text | None = None
    url: Text | None = None
    writer_config: WriterConfig | None = None
    arguments: str | None = None

    def __post_init__(self) -> None:
        if self.writer_config is not None and not isinstance(self.writer_config, WriterConfig):
            raise InvalidDefinition(_CONFIG, f"must be a WriterConfig, got {shown(self.writer_config)}")
        if self.arguments is not None:
            self._check_arguments()
            return
        check_text(self.bucket, f"{_PARAMETERS}.Bucket")
        check_text(self.prefix, f"{_PARAMETERS}.Prefix")
        check_text(self.url, "ResultWriter")
        if self.url is not None and (self.bucket is not None or self.prefix is not None):
            raise InvalidDefinition("ResultWriter", "give bucket and prefix, or url, not both")
        if self.bucket is None and self.prefix is not None:
            raise InvalidDefinition(f"{_PARAMETERS}.Bucket", "must be given with a prefix")
        if self.bucket is None and self.url is None and self.writer_config is None:
            raise InvalidDefinition("ResultWriter", "must not be empty: give bucket or url, writer_config, or both")
        self._place_url()

    def _check_arguments(self) -> None:
        if (self.bucket, self.prefix, self.url) != (None, None, None):
            problem = "an expression gives all of them: give nothing beside it"
            raise InvalidDefinition("ResultWriter.Arguments", problem)
        if not is_jsonata(self.arguments):
            problem = f"must be a JSONata expression, got {shown(self.arguments)}"
            raise InvalidDefinition("ResultWriter.Arguments", problem)

    @property
    def location(self) -> str | None:
        """The URL of the folder that holds the results of all map runs; None when only the form is given.

        Raises :class:`InvalidDefinition` while a part of it is a JsonPath: resolve the definition first.
        """
        if self.url is None and self.bucket is None:
            return None
        for field, text in (
            ("", self.url),
            (".Parameters.Bucket", self.bucket),
            (".Parameters.Prefix", self.prefix),
        ):
            if text is not None and not isinstance(text, str):
                problem = f"{text} is known only in a run: resolve the definition with the run's input"
                raise InvalidDefinition(f"ResultWriter{field}", problem)
        if self.url is not None:
            return str(self.url)
        return f"s3://{self.bucket}/{self.prefix}" if self.prefix else f"s3://{self.bucket}"

    def _place_url(self) -> None:
        if not isinstance(self.url, str):
            return
        try:
            split = split_s3_url(self.url)
        except ValueError as error:
            raise InvalidDefinition(f"{_PARAMETERS}.Bucket", str(error)) from None
        if split is not None:
            bucket, prefix = split
            # AWS puts the slash between the prefix and the map run itself.
            for name, value in (("url", None), ("bucket", bucket), ("prefix", prefix.rstrip("/") or None)):
                object.__setattr__(self, name, value)
        elif not is_url(self.url) and not is_template(self.url):
            problem = f'{self.url!r} is no URL: it needs a scheme, as "file:///…" or "s3://…"'
            raise InvalidDefinition("ResultWriter", problem)
