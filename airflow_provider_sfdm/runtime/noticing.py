"""How long Airflow takes to notice that a task has left its worker."""

NOTICED_WITHIN = 15.0
"""Seconds within which Airflow knows that a task has rescheduled or deferred itself: its worker reports that within 5 s
(``[workers] min_heartbeat_interval``), and its scheduler looks in every loop.

A task that is queued again before that fails: Airflow takes the end of the one run for the end of the other
(apache/airflow#71172 for one that reschedules itself, apache/airflow#72716 for a deferred one).
"""
