"""Predictions from outside: what they score, and every way in which a file can be wrong."""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as sk
from made_records import leftovers

from fer_bench.api import registry
from fer_bench.board.build import boards
from fer_bench.data.dataset import EMOTIONS
from fer_bench.data.load import load_dataset
from fer_bench.data.splits import make_split
from fer_bench.entries.external import commit, score_file
from fer_bench.entries.named import check_name
from fer_bench.errors import InputError
from fer_bench.records.predictions import load_predictions
from fer_bench.records.record import EXTERNAL
from fer_bench.records.store import Store, StoredRun
from fer_bench.scores.metrics import Scores, score

WORDS = ("Angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


@pytest.fixture(scope="module")
def dataset(tiny_npz):
    return load_dataset(tiny_npz)


@pytest.fixture
def split(dataset):
    return make_split(dataset)


@pytest.fixture
def table(dataset, split) -> pd.DataFrame:
    """Predictions of the test part in an order of their own, right in about half of the cases."""
    rng = np.random.default_rng(3)
    rows = rng.permutation(split.test)
    logits = rng.normal(size=(len(rows), 7)) + 1.5 * np.eye(7)[dataset.labels[rows]]
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return pd.DataFrame({"row": rows, "emotion": dataset.labels[rows]} | dict(zip(WORDS, p.T, strict=True)))


@pytest.fixture
def write(tmp_path):
    def write(table: pd.DataFrame, name: str = "predictions.csv") -> Path:
        path = tmp_path / name
        table.to_parquet(path) if name.endswith("parquet") else table.to_csv(path, index=False)
        return path

    return write


def test_the_scores_are_those_of_the_columns(table, write, dataset, split):
    record, saved, _ = score_file(write(table), dataset, split, name="outside")
    p, truth = table[list(WORDS)].to_numpy(), table["emotion"]
    assert record.scores.accuracy == sk.accuracy_score(truth, p.argmax(axis=1))
    assert record.scores.macro_f1 == pytest.approx(sk.f1_score(truth, p.argmax(axis=1), average="macro"))
    assert record.scores.log_loss == pytest.approx(sk.log_loss(truth, p), abs=1e-6)
    assert (saved.rows == split.test).all()
    assert (saved.labels == dataset.labels[split.test]).all()


@pytest.mark.parametrize("name", ["p.csv", "p.csv.gz", "p.parquet"])
def test_every_form_and_order_of_one_table_is_the_same_record(table, write, dataset, split, name):
    key = score_file(write(table), dataset, split, name="outside").record.job.key
    shuffled = table.sample(frac=1, random_state=1)[[*reversed(table.columns)]]
    assert score_file(write(shuffled, name), dataset, split, name="outside").record.job.key == key
    other = table.assign(Angry=table["sad"], sad=table["Angry"])
    assert score_file(write(other), dataset, split, name="outside").record.job.key != key


@pytest.mark.parametrize("form", ["names", "numbers"])
def test_answers_alone_have_no_scores_that_take_probabilities(table, write, dataset, split, form):
    answers = table[list(WORDS)].to_numpy().argmax(axis=1)
    given = [WORDS[i] for i in answers] if form == "names" else answers
    scores = score_file(write(pd.DataFrame({"row": table["row"], "predicted": given})), dataset, split, name="x")[
        0
    ].scores
    whole = score_file(write(table), dataset, split, name="x")[0].scores
    assert (scores.accuracy, scores.confusion, scores.weighted_f1) == (
        whole.accuracy,
        whole.confusion,
        whole.weighted_f1,
    )
    assert (scores.log_loss, scores.calibration_error, scores.top2_accuracy) == (None, None, None)
    assert {emotion.confidence for emotion in scores.emotions.values()} == {None}


def test_a_record_stands_on_the_board_as_external_and_costs_nothing(table, write, dataset, split, tmp_path):
    store = Store(tmp_path / "results")
    scored = score_file(write(table), dataset, split, name="outside", note="a <net> of theirs")
    folder = commit(scored, store)
    (run,), problems = store.scan()
    assert not problems
    assert run == StoredRun(scored.record, folder)
    assert (load_predictions(folder).probabilities == scored.predictions.probabilities).all()
    (board,) = boards([run.record])
    (row,) = board.rows
    assert (row.family, row.recipe) == ("external", "external")
    assert row.note() == "scored from predictions, not run here; a <net> of theirs"
    assert board.by_hardware() == []
    again = score_file(folder, dataset, split, name="outside").record
    assert again.scores == run.record.scores
    assert again.job.key == run.record.job.key


def test_other_predictions_of_a_name_are_put_on_the_board_by_force_only(table, write, dataset, split, tmp_path):
    store = Store(tmp_path / "results")
    commit(score_file(write(table), dataset, split, name="outside"), store)
    other = score_file(write(table.assign(Angry=table["sad"], sad=table["Angry"])), dataset, split, name="outside")
    with pytest.raises(InputError, match=r"outside is on the board with other predictions .* --force"):
        commit(other, store)
    commit(other, store, force=True)
    assert [run.record for run in store.scan()[0]] == [other.record]
    commit(score_file(write(table), dataset, split, name="outside", seed=1), store)
    (board,) = boards(run.record for run in store.scan()[0])
    assert [len(row.runs) for row in board.rows] == [2]
    assert not leftovers(store.root)


@pytest.mark.parametrize("name", ["svm", "Mine", "../up", "a/b", "", "x" * 61, ".hidden"])
def test_names_that_are_refused(name):
    with pytest.raises(InputError, match="--name"):
        check_name(name, [], EXTERNAL)
    assert "svm" in registry.names()


def says(dataset, split, path, *words) -> str:
    with pytest.raises(InputError) as refused:
        score_file(path, dataset, split, name="x")
    text = str(refused.value)
    assert "\n" not in text
    for word in words:
        assert re.search(word, text), text
    return text


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda t: t.drop(columns="row"), ["no column 'row', only emotion, Angry"]),
        (lambda t: t.drop(columns=["sad", "fear"]), ["no column fear, sadness, only row, emotion, Angry", "predicted"]),
        (lambda t: t.rename(columns={"Angry": "a", "sad": "b"}), ["no column anger, sadness"]),
        (lambda t: t.assign(anger=0.0), ["columns 'Angry' and 'anger' are both anger"]),
        (lambda t: t.assign(row=[*t["row"][:-1], t["row"][3]]), [r"line 29: row \d+ again, first on line 5; 1 of 28"]),
        (lambda t: t.drop(index=[4, 7]), ["2 of the 28 rows of the test part are missing, the first is row"]),
        (lambda t: t.head(0), ["no predictions"]),
        (lambda t: t.assign(row=t["row"] - 28), ["validation part", "rows of the validation part", "of 28"]),
        (lambda t: t.assign(row=t["row"] + 1), ["count from 1"]),
        (lambda t: t.assign(row=[500, *t["row"][1:]]), ["line 2: row 500 is not in the data, whose last is row 118"]),
        (lambda t: t.assign(row=[5, *t["row"][1:]]), [r"line 2: row 5 is of the training part \(Training\)", "1 of 28"]),
        (lambda t: t.assign(row=t["row"] + 0.5), ["column row: '.*' is no row", "28 of 28"]),
        (lambda t: t.assign(row=[-1, *t["row"][1:]]), ["line 2, column row: '-1' is no row"]),
        (lambda t: t.assign(fear=[*t["fear"][:-1], -0.25]), ["line 29, column fear: '-0.25' is no probability"]),
        (lambda t: t.assign(fear=[*t["fear"][:-1], None]), ["line 29, column fear: '' is no probability"]),
        (lambda t: t.assign(fear=[*t["fear"][:-1], "inf"]), ["column fear: 'inf' is no probability"]),
        (lambda t: t.assign(fear=[*t["fear"][:-1], "NaN"]), ["column fear: 'NaN' is no probability"]),
        (lambda t: t.assign(fear="x"), ["line 2, column fear: 'x' is no probability", "28 of 28 are like that"]),
        (lambda t: t.assign(**dict.fromkeys(WORDS, 0.2)), ["line 2: the probabilities sum to 1.4, not to 1; 28 of 28"]),
        (lambda t: t.assign(**dict.fromkeys(WORDS, 0.0)), ["line 2: the probabilities sum to 0, "]),
        (lambda t: t.assign(emotion="bored"), ["line 2, column emotion: 'bored' is none of anger, .*0 to 6"]),
        (lambda t: t.assign(emotion=7), ["column emotion: '7' is none of"]),
        (lambda t: t[["row"]].assign(predicted="joyless"), ["column predicted: 'joyless' is none of"]),
        (lambda t: t[["row"]].assign(predicted=""), ["line 2, column predicted: .* is no answer; .*--faces none; 2. of"]),
        (lambda t: t.assign(predicted=t[list(WORDS)].to_numpy().argmin(axis=1)), ["line 2: predicted is .*, but the l"]),
        (lambda t: t.assign(emotion=[(t["emotion"][0] + 1) % 7, *t["emotion"][1:]]), ["line 2: row .* in the data; 1 of"]),
    ],
)  # fmt: skip
def test_bad_tables_are_one_line_that_says_where(table, write, dataset, split, spoil, words):
    text = says(dataset, split, write(spoil(table)), *words)
    assert "predictions.csv" in text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\xff\xfe\x00row", "not readable as CSV"),
        (b"row,anger\n1,0.5\n2,0.5,0.1\n", "not readable as CSV .*line 3"),
        (b"row,anger\n1,0.5,0.5\n2,0.5,0.1\n", "not readable as CSV .*line 2"),
        (b"row,anger,Row\n1,0.5,0.5\n", "two columns of the same name among row, anger, Row"),
        (b"row,anger,anger\n1,0.5,0.5\n", "two columns of the same name"),
        (b"\n\n", "empty"),
    ],
)
def test_files_that_are_no_table(tmp_path, dataset, split, content, words):
    path = tmp_path / "broken.csv"
    path.write_bytes(content)
    says(dataset, split, path, words)
    for name in ("broken.npz", "broken.parquet", "broken.csv.gz"):
        (tmp_path / name).write_bytes(content)
        says(dataset, split, tmp_path / name, name)
    says(dataset, split, tmp_path / "gone.csv", "no such file")
    says(dataset, split, tmp_path, "holds no predictions.npz")


def test_blank_lines_do_not_shift_the_line_that_is_named(table, write, dataset, split):
    lines = write(table.assign(fear=[*table["fear"][:-1], 7.0])).read_text().splitlines()
    path = write(table)
    path.write_text("\n".join([lines[0], "", "", *lines[1:]]))
    says(dataset, split, path, "line 31, column fear: '7.0'")


def test_the_other_parts_predictions_under_the_test_parts_ids_are_noticed_by_their_counts(tmp_path):
    """PublicTest and PrivateTest of one size, whose emotions are not equally many."""
    rng = np.random.default_rng(0)
    usage = np.repeat(["Training", "PublicTest", "PrivateTest"], [70, 40, 40])
    labels = np.concatenate([np.arange(70) % 7, rng.permutation(np.arange(40) % 7), rng.permutation(np.arange(40) % 6)])
    np.savez(tmp_path / "d.npz", images=rng.integers(0, 256, (150, 48, 48), np.uint8), labels=labels, usage=usage)
    dataset = load_dataset(tmp_path / "d.npz")
    split = make_split(dataset)
    swapped = pd.DataFrame({"row": split.test, "predicted": 0, "label": dataset.labels[split.validation]})
    swapped.to_csv(tmp_path / "swapped.csv", index=False)
    says(
        dataset,
        split,
        tmp_path / "swapped.csv",
        r"counts of the emotions are those of the validation part \(PublicTest\)",
    )
    swapped.assign(row=split.validation).to_csv(tmp_path / "swapped.csv", index=False)
    says(dataset, split, tmp_path / "swapped.csv", r"rows of the validation part \(PublicTest\), 40 of 40")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rows": None}, "no array 'rows', only labels, probabilities"),
        ({"rows": np.arange(28.0)}, "array 'rows' is float64"),
        ({"rows": np.arange(56).reshape(28, 2), "labels": None}, r"array 'rows' is \(28, 2\)"),
        ({"labels": np.full(28, 9)}, "entry 0: label 9 is none of 0 to 6"),
        ({"probabilities": np.full((28, 6), 1 / 6)}, r"shape \(28, 6\) do not fit"),
        ({"probabilities": np.full((28, 7), np.nan)}, "entry 0, anger: nan is no probability"),
        ({"probabilities": np.eye(7)[np.arange(28) % 7] * 2 - 1 / 7}, "negative"),
        ({"probabilities": np.full((28, 7), 1)}, "array 'probabilities' is int"),
    ],
)  # fmt: skip
def test_bad_arrays(tmp_path, dataset, split, change, words):
    arrays = {
        "rows": split.test,
        "labels": dataset.labels[split.test],
        "probabilities": np.full((28, 7), 1 / 7),
    } | change
    np.savez(tmp_path / "p.npz", **{name: array for name, array in arrays.items() if array is not None})
    says(dataset, split, tmp_path / "p.npz", words)


def test_under_six_labels_the_rows_are_still_those_of_the_file(tiny_npz, tmp_path):
    from fer_bench.data.schemes import rows_kept

    six = load_dataset(tiny_npz, scheme="six")
    split, numbers = make_split(six), rows_kept(load_dataset(tiny_npz), "six")
    whole = load_dataset(tiny_npz)
    rows = numbers[split.test]
    assert not (whole.labels[rows] == EMOTIONS.index("fear")).any()
    answers = pd.DataFrame(
        {"row": rows, "predicted": whole.labels[rows], "emotion": [EMOTIONS[i] for i in whole.labels[rows]]}
    )
    answers.to_csv(tmp_path / "six.csv", index=False)
    assert score_file(tmp_path / "six.csv", six, split, name="x", numbers=numbers).record.scores.accuracy == 1.0


COMMITTED = sorted((Path(__file__).parents[2] / "results" / "fer2013").glob("*/*/*/record.json"))


def told(scores: Scores, record: Scores) -> Scores:
    """``scores`` without what an older record does not tell: how sure a model is of the true emotion."""
    emotions = {
        name: values.model_copy(
            update={"true_confidence": None if known.true_confidence is None else values.true_confidence}
        )
        for (name, values), known in zip(scores.emotions.items(), record.emotions.values(), strict=True)
    }
    return scores.model_copy(update={"emotions": emotions})


@pytest.fixture(scope="module")
def real(fer2013):
    """FER-2013, and its splits by name, each made once."""
    dataset = load_dataset(fer2013)
    return dataset, cache(lambda name: make_split(dataset, name))


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: "-".join(path.parts[-4:-1]))
def test_the_committed_records_are_what_their_predictions_score(real, path):
    """To the last digit, from the real data and the file beside the record."""
    from fer_bench.records.store import read_record

    record = read_record(path)
    if record.scores is None:
        pytest.skip("not a run that went well")
    dataset, split_of = real
    if dataset.digest != record.job.dataset_digest:
        pytest.skip("FER_BENCH_DATA is another file than the one of the records")
    split = split_of(record.job.split)
    again = score_file(path.parent, dataset, split, name="again").record.scores
    assert told(again, record.scores) == record.scores
    if record.tta is not None:
        saved = load_predictions(path.parent, tta=True)
        seen = np.isin(saved.rows, split.test[split.test_seen])
        views = score(saved.labels, saved.probabilities, dataset.classes, seen)
        assert told(views, record.tta.scores) == record.tta.scores


@pytest.mark.skipif(os.name != "posix", reason="names are bytes")
def test_a_file_and_a_note_that_are_no_utf8_are_written_as_text(table, write, dataset, split, tmp_path):
    path = tmp_path / os.fsdecode(b"pred-\xfc.csv")
    write(table).rename(path)
    scored = score_file(path, dataset, split, name="outside", note=os.fsdecode(b"f\xfcr"))
    store = Store(tmp_path / "results")
    commit(scored, store)
    ((run,), problems) = store.scan()
    assert not problems
    assert run.record.training.extra == {"file": r"pred-\xfc.csv", "note": r"f\xfcr"}
