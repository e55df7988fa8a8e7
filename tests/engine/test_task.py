"""What a worker is told: the same after the way through its file, and an error where a field is missing or not
known.
"""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from fer_bench.api.context import FitSummary
from fer_bench.engine.outcome import Outcome, read
from fer_bench.engine.predict import load_and_predict
from fer_bench.engine.task import OUTCOME, TASK, PredictTask, TrainTask
from fer_bench.engine.worker import main, training_of

SHARED = {
    "spec": "svm[c=2]",
    "recipe": "tuned",
    "recipe_fields": {"options": [["C", 3.0]]},
    "classes": ("a", "b"),
    "device": "cpu",
    "plugins": (),
    "tta": "flip",
}
PREDICT = PredictTask(**SHARED, model="/m", epoch=None)
TRAIN = TrainTask(
    **SHARED,
    key="k",
    checkpoint="test",
    epochs=None,
    batch_divisor=2,
    weights="auto",
    train_scores=False,
    workdir="/w",
    tensorboard=None,
    kept=None,
)


@pytest.mark.parametrize("task", [PREDICT, TRAIN])
def test_a_task_is_the_same_after_its_way_through_json(task):
    assert type(task).from_json(task.to_json()) == task
    with pytest.raises(FrozenInstanceError):
        task.recipe = "published"


@pytest.mark.parametrize("task", [PREDICT, TRAIN])
def test_a_field_that_is_missing_or_not_known_is_an_error(task):
    fields = json.loads(task.to_json())
    with pytest.raises(TypeError, match="colour"):
        type(task).from_json(json.dumps(fields | {"colour": "red"}))
    for name in fields:
        with pytest.raises(TypeError, match=name):
            type(task).from_json(json.dumps({other: value for other, value in fields.items() if other != name}))


def test_a_worker_that_is_told_nonsense_says_so(tmp_path, capfd):
    (tmp_path / TASK).write_text(TRAIN.to_json())
    assert main(tmp_path, PredictTask, load_and_predict) == 1
    outcome = read(tmp_path / OUTCOME)
    assert outcome.status == "error"
    assert "unexpected keyword argument 'key'" in outcome.message
    assert "Traceback" in capfd.readouterr().err


def test_numbers_of_a_runner_are_taken_whatever_their_type_and_nonsense_is_the_runs_error(tmp_path):
    path = tmp_path / OUTCOME
    told = FitSummary(
        epochs_run=np.int64(3), best_epoch=np.int32(2), history=[{"epoch": 1}], extra={"c": np.float32(2)}
    )
    outcome = Outcome(status="ok", training=training_of(told, TRAIN, interruptions=1))
    path.write_text(outcome.to_json())
    training = read(path).training
    assert (training.epochs_run, training.best_epoch, training.interruptions) == (3, 2, 1)
    assert training.checkpoint == "test"
    path.write_text(Outcome(status="ok", training=training_of(FitSummary(epochs_run="many"), TRAIN, 0)).to_json())
    assert "account of itself is not valid (training.epochs_run" in read(path).message
