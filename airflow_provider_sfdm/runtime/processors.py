"""From a definition's ItemProcessor to something that runs one child's input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..core.errors import UnsupportedField
from ..core.processors import ItemProcessor, LambdaFunction, PythonFunction
from .invocation import Invoke
from .per_item import per_item_async, per_item_sync

if TYPE_CHECKING:
    from botocore.config import Config
    from mypy_boto3_lambda import LambdaClient


@dataclass(frozen=True, slots=True)
class Invocation:
    """How a child is run. ``per_item``: ``invoke`` takes the batch's ``ItemOutcomes`` instead of its input.

    ``blocks`` tells that an attempt mostly waits, so that children should overlap even when no MaxConcurrency is set.
    """

    invoke: Invoke
    is_async: bool = False
    per_item: bool = False
    blocks: bool = False


LambdaClientFactory = Callable[["Config"], "LambdaClient"]


def invocation_of(
    processor: ItemProcessor, *, batched: bool, concurrency: int, lambda_client: LambdaClientFactory
) -> Invocation:
    """Make a processor ready to run.

    :raises UnsupportedField: a processor that cannot run in this process.
    """
    if isinstance(processor, PythonFunction):
        if processor.per_item and batched:
            wrap = per_item_async if processor.is_async else per_item_sync
            return Invocation(wrap(processor.function), processor.is_async, per_item=True)
        return Invocation(processor.function, processor.is_async)
    if isinstance(processor, LambdaFunction):
        from ..aws.lambda_function import client_config, lambda_invoke

        client = lambda_client(client_config(concurrency))
        return Invocation(lambda_invoke(processor, client), blocks=True)
    raise UnsupportedField("ItemProcessor", f"a {type(processor).__name__} cannot be run in this process")
