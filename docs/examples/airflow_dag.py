"""A weekly report in Airflow, in the two ways that make sense.

`report` runs all notebooks with checks before them, publishes in one step and keeps the last
good report; use it unless Airflow itself has to hold the parts. `attribution` runs a single
notebook with PapermillOperator: one task a notebook, its parameters in Airflow's own hands.

Needs `apache-airflow-providers-papermill` beside Airflow, and touchlab in an environment of
its own, known to Airflow as a kernel:

    .venv/bin/python -m ipykernel install --user --name touchlab

Adapt the three paths. Tried with Airflow 3.3 and its Papermill provider 3.13.
"""

import os
import shlex
from datetime import datetime, timedelta

from airflow.providers.papermill.operators.papermill import PapermillOperator
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

HOME = os.environ.get("TOUCHLAB_HOME", "/srv/touchlab")  # the repository
DATA = os.environ.get("TOUCHLAB_DATA", f"{HOME}/data/sample")
REPORTS = os.environ.get("TOUCHLAB_REPORTS", f"{HOME}/reports")

with DAG(
    dag_id="touchlab",
    schedule="0 6 * * 1",  # Mondays, six o'clock UTC
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 1, "execution_timeout": timedelta(hours=4)},
) as dag:
    BashOperator(
        task_id="report",
        # what the exit codes mean: docs/reports.md; any but 0 fails the task
        bash_command=shlex.join([f"{HOME}/.venv/bin/touchlab", "report", DATA, "--out", REPORTS]),
        cwd=HOME,
    )
    PapermillOperator(
        task_id="attribution",
        input_nb=f"{HOME}/notebooks/03_attribution.ipynb",
        output_nb=f"{REPORTS}/attribution-{{{{ ds_nodash }}}}.ipynb",
        parameters={"data": DATA, "outcome": "conversion", "lookback": "30D"},
        kernel_name="touchlab",
    )
