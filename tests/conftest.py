"""What every test run needs: an Airflow of its own, no AWS account, and the real servers.

The environment is set when pytest loads this file, which is before any test module imports Airflow: Airflow
reads its configuration once, at import.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import botocore.session
import pytest

REPOSITORY = Path(__file__).resolve().parent.parent

pytest_plugins = ["tests.servers.fixtures"]

_CALLERS_AWS = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}


def _isolate() -> None:
    # What the caller's shell knows of another Airflow or of an AWS account must not reach the tests.
    for name in list(os.environ):
        if name.startswith(("AIRFLOW_", "AWS_", "SFDM_TEST_")):
            del os.environ[name]
    home = Path(tempfile.mkdtemp(prefix="sfdm-tests-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    os.environ |= {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        # Without it boto3 asks the metadata service of a machine that is not there, for seconds.
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }


_isolate()
# A shell's background jobs ignore SIGINT, and so do their children; tests send it, and would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def callers_aws() -> dict[str, str]:
    """What the caller's shell says of an AWS account: for tests/live alone, where the caller asks for it."""
    return _CALLERS_AWS


@pytest.fixture(scope="session", autouse=True)
def one_loader_of_service_models() -> Iterator[None]:
    """Read each of botocore's service models once: every new client would read and parse them again, 0.1 s each."""
    shared = botocore.session.create_loader(None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", lambda *_: shared)
        yield
