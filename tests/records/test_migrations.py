"""Records of every earlier version are read; those of a later one, or of none, are refused."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from made_records import record

from fer_bench.errors import InputError
from fer_bench.records.migrations import MIGRATIONS, migrated
from fer_bench.records.record import SCHEMA_VERSION, RunRecord
from fer_bench.records.store import read_record

RESULTS = Path(__file__).parents[2] / "results"


def test_there_is_a_step_from_every_version_to_the_next():
    assert sorted(MIGRATIONS) == list(range(1, SCHEMA_VERSION))


def test_committed_records_of_version_1_say_the_same_as_before():
    old = [(path, json.loads(path.read_text())) for path in RESULTS.glob("*/*/*/*/record.json")]
    old = [(path, fields) for path, fields in old if fields["schema_version"] == 1]
    for path, fields in old:
        before = path.read_bytes()
        now = read_record(path).model_dump(mode="json")
        assert path.read_bytes() == before
        assert (now.pop("schema_version"), fields.pop("schema_version")) == (SCHEMA_VERSION, 1)
        assert now["training"].pop("interruptions") == 0
        for name in ("scores", "job", "training", "cost", "status", "started"):
            given = fields[name]
            if name == "scores":
                assert {emotion.pop("true_confidence") for emotion in now[name]["emotions"].values()} == {None}
            assert ({key: now[name][key] for key in given} if isinstance(given, dict) else now[name]) == given


def test_a_record_of_version_2_has_no_test_time_augmentation_and_is_no_ensemble():
    whole = record("svm").model_dump(mode="json")
    later = ("tta", "ensemble", "train_scores")
    old = {name: value for name, value in whole.items() if name not in later} | {"schema_version": 2}
    assert migrated(old) == whole


def test_a_record_of_version_3_has_no_scores_of_the_training_part_and_one_confidence():
    whole = record("svm").model_dump(mode="json")
    old = copy.deepcopy(whole) | {"schema_version": 3}
    del old["train_scores"]
    for emotion in old["scores"]["emotions"].values():
        del emotion["true_confidence"]
    now = RunRecord.model_validate(migrated(old))
    assert now.train_scores is None
    assert {emotion.true_confidence for emotion in now.scores.emotions.values()} == {None}
    dumped = now.model_dump(mode="json")
    for name, emotion in whole["scores"]["emotions"].items():
        dumped["scores"]["emotions"][name]["true_confidence"] = emotion["true_confidence"]
    assert dumped == whole


def test_a_record_of_version_1_becomes_one_of_today_and_stays_itself():
    whole = record("svm").model_dump(mode="json")
    old = copy.deepcopy(whole)
    old["schema_version"] = 1
    del old["training"]["interruptions"], old["tta"], old["ensemble"], old["train_scores"]
    given = copy.deepcopy(old)
    assert migrated(given) == whole
    assert given == old
    assert RunRecord.model_validate(migrated(whole)) == record("svm")


@pytest.mark.parametrize("version", [None, 0, -1, True, 1.0, "1", [1], float("nan")])
def test_what_has_no_version_is_no_record(version: object):
    with pytest.raises(InputError, match="not a record"):
        migrated({"schema_version": version})


@pytest.mark.parametrize("fields", [None, [], 3, "text", {}])
def test_what_is_no_object_is_no_record(fields: object):
    with pytest.raises(InputError, match="not a record"):
        migrated(fields)


@pytest.mark.parametrize("version", [10**999, "," * 3000])
def test_a_long_version_makes_no_long_line(version: object):
    with pytest.raises(InputError) as refused:
        migrated({"schema_version": version})
    assert len(str(refused.value)) < 200


def test_a_later_version_is_named(tmp_path: Path):
    path = tmp_path / "record.json"
    text = record("svm").model_dump_json().replace(f'"schema_version":{SCHEMA_VERSION}', '"schema_version":99')
    path.write_text(text)
    with pytest.raises(InputError, match=r"record\.json: schema_version 99 is of a later fer-bench"):
        read_record(path)
    assert path.read_text() == text


@pytest.mark.parametrize("training", [None, 3, [], "x"])
def test_nonsense_of_an_old_version_is_refused_like_any(tmp_path: Path, training: object):
    path = tmp_path / "record.json"
    path.write_text(json.dumps(record("svm").model_dump(mode="json") | {"schema_version": 1, "training": training}))
    with pytest.raises(InputError, match="not a valid record"):
        read_record(path)
