from __future__ import annotations

import ast
import inspect
import subprocess
import sys

import pytest

import airflow_provider_sfdm

# What authors of DAGs may rely on: a name leaves this list only with a note in the changelog.
NAMES = [
    "AslProcessor",
    "CsvDelimiter",
    "CsvHeaderLocation",
    "CsvHeaders",
    "DataLimitExceeded",
    "DistributedMap",
    "DistributedMapTaskGroup",
    "Engine",
    "ExceedToleratedFailureThreshold",
    "ExecutionType",
    "InputType",
    "InvalidDefinition",
    "ItemBatcher",
    "ItemReader",
    "ItemReaderFailed",
    "JitterStrategy",
    "JsonPath",
    "LambdaFunction",
    "ManifestType",
    "MapRunCondition",
    "MapRunEnded",
    "MapRunLimits",
    "MapRunNotFound",
    "MapRunResults",
    "MapRunSensor",
    "MapRunSummary",
    "MapRunTrigger",
    "MapRunUpdate",
    "NotRedrivable",
    "OutputType",
    "PythonFunction",
    "QueryLanguage",
    "ReaderTransformation",
    "ResultWriter",
    "ResultWriterFailed",
    "Retrier",
    "S3CsvItemReader",
    "S3JsonItemReader",
    "S3JsonLItemReader",
    "S3ManifestItemReader",
    "S3ObjectsItemReader",
    "S3ParquetItemReader",
    "StatesError",
    "StatesRuntime",
    "StepFunctionsDistributedMapHook",
    "StepFunctionsDistributedMapOperator",
    "TaskGroupProcessor",
    "Transformation",
    "UnsupportedField",
    "UpdateMapRunOperator",
    "WriterConfig",
    "describe_map_run",
    "distributed_map",
    "redrive_map",
    "run_map",
    "send_task_heartbeat",
    "stop_map_run",
    "unsupported_on_airflow",
    "unsupported_on_step_functions",
    "update_map_run",
]


def test_public_names() -> None:
    assert airflow_provider_sfdm.__all__ == NAMES
    for name in NAMES:
        assert getattr(airflow_provider_sfdm, name).__name__ == name
    assert set(NAMES) <= set(dir(airflow_provider_sfdm))
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = airflow_provider_sfdm.Nonsense


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse(inspect.getsource(airflow_provider_sfdm))
    guarded = [node for node in tree.body if isinstance(node, ast.If)]
    imported = [
        alias.name
        for block in guarded
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]
    assert sorted(imported) == airflow_provider_sfdm.__all__


def _run(code: str) -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=120)


def test_importing_the_package_imports_nothing_heavy() -> None:
    _run(
        "import sys, airflow_provider_sfdm\n"
        "heavy = {'airflow', 'boto3', 'botocore', 'pyarrow', 'airflow_provider_sfdm.core'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )


def test_core_needs_neither_airflow_nor_boto3() -> None:
    _run(
        "import sys, pkgutil, importlib\n"
        "for name in ('airflow', 'boto3', 'botocore', 'aiobotocore', 'fsspec'): sys.modules[name] = None\n"
        "import airflow_provider_sfdm.core as core\n"
        "names = [m.name for m in pkgutil.walk_packages(core.__path__, core.__name__ + '.')]\n"
        "assert len(names) > 15, names\n"
        "for name in names: importlib.import_module(name)"
    )


def test_only_the_glue_needs_airflow() -> None:
    _run(
        "import sys, pkgutil, importlib\n"
        "sys.modules['airflow'] = None\n"
        "for layer in ('aws', 'core', 'runtime', 'stepfunctions', 'storage'):\n"
        "    package = importlib.import_module(f'airflow_provider_sfdm.{layer}')\n"
        "    for module in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "        importlib.import_module(module.name)"
    )
