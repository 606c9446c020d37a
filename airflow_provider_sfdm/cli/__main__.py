"""``python -m airflow_provider_sfdm.cli``: the command where it is not installed."""

import sys

from . import main

if __name__ == "__main__":
    sys.exit(main())
