"""AWS Step Functions' Distributed Map for Apache Airflow.

The names an author of DAGs needs are here; each is imported when it is first used, because Airflow imports
every provider and most of its processes need none of this.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .core.batcher import ItemBatcher as ItemBatcher
    from .core.conditions import MapRunCondition as MapRunCondition
    from .core.definition import DistributedMap as DistributedMap
    from .core.engines import Engine as Engine
    from .core.engines import unsupported_on_airflow as unsupported_on_airflow
    from .core.engines import unsupported_on_step_functions as unsupported_on_step_functions
    from .core.errors import DataLimitExceeded as DataLimitExceeded
    from .core.errors import ExceedToleratedFailureThreshold as ExceedToleratedFailureThreshold
    from .core.errors import InvalidDefinition as InvalidDefinition
    from .core.errors import ItemReaderFailed as ItemReaderFailed
    from .core.errors import ResultWriterFailed as ResultWriterFailed
    from .core.errors import StatesError as StatesError
    from .core.errors import StatesRuntime as StatesRuntime
    from .core.errors import UnsupportedField as UnsupportedField
    from .core.formats import CsvDelimiter as CsvDelimiter
    from .core.formats import CsvHeaderLocation as CsvHeaderLocation
    from .core.formats import CsvHeaders as CsvHeaders
    from .core.formats import InputType as InputType
    from .core.formats import ManifestType as ManifestType
    from .core.formats import ReaderTransformation as ReaderTransformation
    from .core.map_run_updates import MapRunLimits as MapRunLimits
    from .core.map_run_updates import MapRunUpdate as MapRunUpdate
    from .core.paths import JsonPath as JsonPath
    from .core.processors import AslProcessor as AslProcessor
    from .core.processors import LambdaFunction as LambdaFunction
    from .core.processors import PythonFunction as PythonFunction
    from .core.processors import TaskGroupProcessor as TaskGroupProcessor
    from .core.readers import ItemReader as ItemReader
    from .core.readers import S3CsvItemReader as S3CsvItemReader
    from .core.readers import S3JsonItemReader as S3JsonItemReader
    from .core.readers import S3JsonLItemReader as S3JsonLItemReader
    from .core.readers import S3ManifestItemReader as S3ManifestItemReader
    from .core.readers import S3ObjectsItemReader as S3ObjectsItemReader
    from .core.readers import S3ParquetItemReader as S3ParquetItemReader
    from .core.retry import JitterStrategy as JitterStrategy
    from .core.retry import Retrier as Retrier
    from .core.summary import MapRunSummary as MapRunSummary
    from .core.values import ExecutionType as ExecutionType
    from .core.values import QueryLanguage as QueryLanguage
    from .core.writer import OutputType as OutputType
    from .core.writer import ResultWriter as ResultWriter
    from .core.writer import Transformation as Transformation
    from .core.writer import WriterConfig as WriterConfig
    from .decorators.distributed_map import distributed_map as distributed_map
    from .hooks.step_functions import StepFunctionsDistributedMapHook as StepFunctionsDistributedMapHook
    from .local.bounds import send_task_heartbeat as send_task_heartbeat
    from .operators.step_functions import StepFunctionsDistributedMapOperator as StepFunctionsDistributedMapOperator
    from .operators.update_map_run import UpdateMapRunOperator as UpdateMapRunOperator
    from .runtime.catalog import MapRunNotFound as MapRunNotFound
    from .runtime.control import MapRunEnded as MapRunEnded
    from .runtime.control import describe_map_run as describe_map_run
    from .runtime.control import stop_map_run as stop_map_run
    from .runtime.control import update_map_run as update_map_run
    from .runtime.redrive import NotRedrivable as NotRedrivable
    from .runtime.results import MapRunResults as MapRunResults
    from .runtime.run import redrive_map as redrive_map
    from .runtime.run import run_map as run_map
    from .sensors.map_run import MapRunSensor as MapRunSensor
    from .task_group import DistributedMapTaskGroup as DistributedMapTaskGroup
    from .triggers.map_run import MapRunTrigger as MapRunTrigger

# Module -> the public names it has. A new name goes here and, for type checkers, into the imports above.
_PUBLIC = {
    "core.batcher": ("ItemBatcher",),
    "core.conditions": ("MapRunCondition",),
    "core.definition": ("DistributedMap",),
    "core.engines": ("Engine", "unsupported_on_airflow", "unsupported_on_step_functions"),
    "core.errors": (
        "DataLimitExceeded",
        "ExceedToleratedFailureThreshold",
        "InvalidDefinition",
        "ItemReaderFailed",
        "ResultWriterFailed",
        "StatesError",
        "StatesRuntime",
        "UnsupportedField",
    ),
    "core.formats": (
        "CsvDelimiter",
        "CsvHeaderLocation",
        "CsvHeaders",
        "InputType",
        "ManifestType",
        "ReaderTransformation",
    ),
    "core.map_run_updates": (
        "MapRunLimits",
        "MapRunUpdate",
    ),
    "core.paths": ("JsonPath",),
    "core.processors": ("AslProcessor", "LambdaFunction", "PythonFunction", "TaskGroupProcessor"),
    "core.readers": (
        "ItemReader",
        "S3CsvItemReader",
        "S3JsonItemReader",
        "S3JsonLItemReader",
        "S3ManifestItemReader",
        "S3ObjectsItemReader",
        "S3ParquetItemReader",
    ),
    "core.retry": ("JitterStrategy", "Retrier"),
    "core.summary": ("MapRunSummary",),
    "core.values": ("ExecutionType", "QueryLanguage"),
    "core.writer": ("OutputType", "ResultWriter", "Transformation", "WriterConfig"),
    "decorators.distributed_map": ("distributed_map",),
    "hooks.step_functions": ("StepFunctionsDistributedMapHook",),
    "local.bounds": ("send_task_heartbeat",),
    "operators.step_functions": ("StepFunctionsDistributedMapOperator",),
    "operators.update_map_run": ("UpdateMapRunOperator",),
    "runtime.catalog": ("MapRunNotFound",),
    "runtime.control": ("MapRunEnded", "describe_map_run", "stop_map_run", "update_map_run"),
    "runtime.results": ("MapRunResults",),
    "runtime.redrive": ("NotRedrivable",),
    "runtime.run": ("redrive_map", "run_map"),
    "sensors.map_run": ("MapRunSensor",),
    "task_group": ("DistributedMapTaskGroup",),
    "triggers.map_run": ("MapRunTrigger",),
}
_MODULES = {name: module for module, names in _PUBLIC.items() for name in names}

__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_MODULES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
