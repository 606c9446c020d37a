"""Where a map run keeps its things, and how many partitions it may have: what arguments and configuration say."""

from __future__ import annotations

import logging
import re
from hashlib import sha256
from pathlib import Path

from ..compat import AIRFLOW_HOME, Context, conf
from ..core.errors import InvalidDefinition
from ..core.values import is_url
from ..runtime.engine import DEFAULT_PARTITIONS
from ..runtime.journal import CHECKPOINT_SECONDS

SECTION = "sfdm"
# Airflow's own default of [core] max_map_length, for a worker whose configuration lacks it.
_MAX_MAP_LENGTH = 1024
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._=-]+")
# File systems allow 255 bytes.
_LONGEST_NAME = 150

log = logging.getLogger(__name__)


def map_runs_url(storage: str | None, context: Context, group_id: str) -> str:
    """The folder of one map's runs: ``<storage>/<dag_id>/<run_id>/<group_id>``.

    Run ids come from outside (any user may name a run), so each part is made a plain name: never a path of its own, nor
    that of another run.

    :raises InvalidDefinition: the argument or the configuration is no URL.
    """
    run = context["dag_run"]
    return "/".join([storage_url(storage), *(_name(part) for part in (run.dag_id, run.run_id, group_id))])


def storage_url(storage: str | None = None) -> str:
    """The storage of map runs: what an author says, or the configuration.

    :raises InvalidDefinition: it is no URL.
    """
    if base := storage:
        check_storage(base)
    elif base := conf.get(SECTION, "storage", fallback=""):
        check_storage(base, f"[{SECTION}] storage")
    else:
        base = (Path(AIRFLOW_HOME) / SECTION).as_uri()
    return base.rstrip("/")


def check_storage(storage: object, name: str = "storage") -> None:
    """Refuse what is no URL: a path means something else on every worker, and a retry does not change it.

    :raises InvalidDefinition: naming ``name``.
    """
    if not isinstance(storage, str) or not is_url(storage):
        problem = f'{storage!r} is no URL: it needs a scheme, as "file:///…" (Path.as_uri() makes it) or "s3://…"'
        raise InvalidDefinition(name, problem)


def _name(text: str) -> str:
    """The text where it is a plain name. Else what of it can be in one, and a hash: others would be the same name. No
    text that is a plain name has a "~".
    """
    name = _NOT_IN_NAMES.sub("_", text)
    name = name if name.strip(".") else name.replace(".", "_")
    if name == text != "" and len(name) <= _LONGEST_NAME:
        return name
    digest = sha256(text.encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{name[: _LONGEST_NAME - 9]}~{digest}"


def number_of_partitions(wanted: int | None) -> int:
    """How many partitions a map run may have: what the author or ``[sfdm] partitions`` says, or the engine's default.

    Never more than Airflow maps a task over; partitions grow instead, so any number of batches fits.
    """
    number: int = wanted or conf.getint(SECTION, "partitions", fallback=0) or DEFAULT_PARTITIONS
    if number < 1:
        raise ValueError(f"[{SECTION}] partitions must be 0 (the default) or more, got {number}")
    return min(number, max_map_length())


def checkpoint_seconds() -> float:
    """How much finished work of a partition may be lost with its process: ``[sfdm] checkpoint_seconds``."""
    seconds: float = conf.getfloat(SECTION, "checkpoint_seconds", fallback=CHECKPOINT_SECONDS)
    if not 0 < seconds < 3600:
        raise ValueError(f"[{SECTION}] checkpoint_seconds must be above 0 and below 3600, got {seconds:g}")
    return seconds


def max_map_length() -> int:
    """The most partitions that Airflow maps a task over."""
    limit: int = conf.getint("core", "max_map_length", fallback=_MAX_MAP_LENGTH)
    return limit


def warn_if_out_of_reach(url: str, executor: str | None) -> None:
    """Warn about a local folder when tasks may run on other machines.

    Only a warning: the folder may be a shared file system, which nobody but the deployment's owner knows.
    """
    if not url.startswith(("file:", "/")):
        return
    # "team=…" and module paths stand before the class's name; the first executor is the default one.
    name = executor or conf.get("core", "executor", fallback="LocalExecutor").split(",")[0]
    if "LocalExecutor" in name or "SequentialExecutor" in name:
        return
    log.warning(
        "The map run keeps its plan and results in the local folder %s, and the executor is %s: workers on other "
        "machines will not find them. Set storage= or [%s] storage to a bucket, unless all workers share that folder.",
        url,
        name,
        SECTION,
    )
