"""Records in MLflow: a run each, in one experiment."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from ..errors import InputError, visible
from .account import Account, Outcome
from .needs import check_installed

#: The tags by which a run is known again. The second is written last: a run without it is not whole.
RECORD_TAG, DIGEST_TAG = "fer_bench.record", "fer_bench.digest"
#: What MLflow takes in one call, and the characters of one value.
MOST_METRICS, MOST_PARAMETERS, MOST_TAGS, LONGEST_VALUE = 1000, 100, 100, 5000
STATUS = {"ok": "FINISHED", "interrupted": "KILLED"}
#: It neither tells its makers that it is used, nor how it makes its tables; a server that is not there is said at once.
VARIABLES = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
}

T = TypeVar("T")


class MLflow:
    """The tracker of a tracking server, a database, or a folder, in which a database and the files then lie.

    ``uri`` None: what MLFLOW_TRACKING_URI says, else MLflow's own default.
    """

    def __init__(self, uri: str | None, project: str) -> None:
        """Raises InputError where MLflow is not installed, or can't be reached."""
        check_installed("mlflow", "mlflow")
        for name, value in VARIABLES.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient

        files = None
        if uri is not None and "://" not in uri and uri != "databricks":
            folder = Path(uri).absolute()
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise InputError(f"--uri {uri}: {error.strerror}; give another folder, or an address") from None
            uri, files = f"sqlite:///{folder / 'mlflow.db'}", (folder / "artifacts").as_uri()
        with told(without_password(uri or "its default")):
            self.client = MlflowClient(tracking_uri=uri)
            self.place = without_password(self.client.tracking_uri)
            found = self.client.get_experiment_by_name(project)
            self.experiment = found.experiment_id if found else self.client.create_experiment(project, files)
        self.look = self.place if self.place.startswith("http") else f"mlflow ui --backend-store-uri {self.place}"

    def log(self, account: Account) -> Outcome:
        """A run of the experiment; one of the same record, when that has changed or was left unfinished, goes."""
        with told(self.place):
            there = self.client.search_runs([self.experiment], f"tags.`{RECORD_TAG}` = '{account.id}'")
            if any(run.data.tags.get(DIGEST_TAG) == account.digest for run in there):
                return "there"
            self._add(account)
            for run in there:
                self.client.delete_run(run.info.run_id)
        return "changed" if any(DIGEST_TAG in run.data.tags for run in there) else "new"

    def _add(self, account: Account) -> None:
        from mlflow.entities import Metric, Param, RunTag

        began, ended = round(1000 * account.began), round(1000 * account.ended)
        made = self.client.create_run(self.experiment, began, {RECORD_TAG: account.id}, account.name)
        run = made.info.run_id
        last = account.epochs[-1].step if account.epochs else 0
        metrics = [Metric(name, float(value), ended, last) for name, value in account.figures.items()]
        for epoch in account.epochs:
            time = round(1000 * epoch.time)
            metrics += [Metric(name, value, time, epoch.step) for name, value in epoch.figures.items()]
        parameters = [Param(name, _short(value)) for name, value in account.parameters.items()]
        tags = [RunTag(f"fer_bench.{name}", _short(value)) for name, value in account.tags.items()]
        for some in _parts(metrics, MOST_METRICS):
            self.client.log_batch(run, metrics=some)
        for params in _parts(parameters, MOST_PARAMETERS):
            self.client.log_batch(run, params=params)
        for few in _parts(tags, MOST_TAGS):
            self.client.log_batch(run, tags=few)
        with tempfile.TemporaryDirectory() as folder:
            for name, content in account.files.items():
                (Path(folder) / name).write_bytes(content)
            self.client.log_artifacts(run, folder)
        self.client.set_terminated(run, STATUS.get(account.status, "FAILED"), ended)
        self.client.set_tag(run, DIGEST_TAG, account.digest)

    def close(self) -> None:
        """Nothing was started."""


@contextmanager
def told(place: str) -> Iterator[None]:
    """What MLflow, or the library of a database, refuses inside becomes an InputError."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, ImportError, OSError) as error:
        said = without_password(visible(" ".join(str(error).split())))[:300]
        raise InputError(f"MLflow at {place}: {said}") from error


def without_password(text: str) -> str:
    """Text with what stands before the @ of an address hidden."""
    return re.sub(r"(?<=://)[^/@\s]*@", "…@", text)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"


def _parts(values: Sequence[T], most: int) -> Iterator[list[T]]:
    """The values in lists of so many at most."""
    for start in range(0, len(values), most):
        yield list(values[start : start + most])
