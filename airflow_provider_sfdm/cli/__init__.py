"""``sfdm``: state machines from the command line, without an Airflow. See docs/cli.md."""
