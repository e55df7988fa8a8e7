"""Published beside measured: every figure of the sources, ours by its own protocol, and explanations that the records
bear out.
"""

from __future__ import annotations

import random
import re
from pathlib import Path

import numpy as np
import pytest
import sklearn.metrics as sk
from made_runs import SIX, part, stored

from fer_bench.api import registry
from fer_bench.api.published import Published
from fer_bench.api.runner import RunnerInfo
from fer_bench.board.build import boards
from fer_bench.board.columns import percent
from fer_bench.records.predictions import predictions_of
from fer_bench.records.run_files import RunFiles
from fer_bench.records.store import StoredRun
from fer_bench.report.published import Comparison, comparisons, constant
from fer_bench.report.published_page import context
from fer_bench.report.test_picked import selections
from fer_bench.report.write import write_report
from fer_bench.scores.stats import Estimate

INFOS = {info.name: info for info in registry.infos()}
#: Every figure of the sources as they give it: runner, accuracy (and weighted F1), a word of its trap.
FIGURES = [
    ("svm", "42.8 / 40.4", "split of its own"),
    ("svm", "60.9 / 59.6", "fitted to"),
    ("mlp", "33.0 / 26.0", "split of its own"),
    ("mlp", "33.6 / 26.8", "picked its epoch"),
    ("custom-cnn", "32.4 / 26.6", "split of its own"),
    ("vgg19-frozen", "39.0 / 37.0", "on the test part itself"),
    ("vgg19-full", "66.4 / 66.0", "on the test part itself"),
    ("vgg19-full", "75.9 / 75.6", "fitted to"),
    ("inception-v3", "33.1", "accuracy on augmented Training images"),
    ("inception-v3-flatten", "25.6", "accuracy on augmented Training images"),
    ("mini-xception", "51.7", "validation figure"),
    ("mini-xception", "65.5", "other training"),
    ("staged-cnn", "65.8", "six classes"),
    ("staged-cnn", "68.0", "six classes"),
    ("resnet50", "86.3 binary", "not categorical"),
    ("resnet50", "85.2 binary", "not categorical"),
    ("vgg-bottleneck", "38.0", "validation figure"),
    ("stacked-cnn", "55.0", "validation figure"),
    ("stacked-cnn", "52.0", "validation figure"),
    ("xgboost", "–", ""),
    ("hog-svm", "–", ""),
    ("lbp-svm", "–", ""),
    ("bovw", "67.5", "machine of its own for each test image"),
    ("logistic-regression", "–", ""),
    ("knn", "–", ""),
    ("random-forest", "–", ""),
    ("fer-net", "–", ""),
    ("transfer", "–", ""),
]


def compare(runs: list[StoredRun], **infos: RunnerInfo) -> list[Comparison]:
    known = infos or INFOS
    found, files = boards([run.record for run in runs], known.values()), RunFiles(runs)
    return comparisons(found, known, files, selections(found, files))


def of(found: list[Comparison], runner: str, published: str) -> Comparison:
    (one,) = (c for c in found if c.runner == runner and c.published == published)
    return one


def test_every_figure_of_the_sources_is_there_with_its_trap():
    found = compare([])
    assert sorted((c.runner, c.published) for c in found) == sorted((name, figure) for name, figure, _ in FIGURES)
    for name, figure, trap in FIGURES:
        one = of(found, name, figure)
        assert trap in one.trap
        assert (one.same_protocol, one.official) == ("–" if figure == "–" else "not run yet", "not run yet")
        assert one.explanation


def test_what_has_not_run_says_how_to_run_it():
    found = compare([])
    told = {c.explanation for c in found if c.runner in ("vgg19-full", "staged-cnn", "svm")}
    for command in (
        "vgg19-full --split notebook-90-10 --checkpoint test",
        "staged-cnn --labels six",
        "svm --split notebook",
    ):
        assert any(f"fer-bench run {command}" in words for words in told)


def test_a_training_accuracy_stands_beside_a_training_accuracy(tmp_path):
    run = stored(tmp_path, "inception-v3", part(200, 0.4), history=[0.21, 0.36, 0.33])
    one = of(compare([run]), "inception-v3", "33.1")
    assert one.same_protocol == "36.0 (published)"
    assert one.same_protocol_value == 0.36
    assert "+2.9 points under its protocol" in one.explanation
    assert one.official_value == run.record.scores.accuracy != 0.36
    svm = stored(tmp_path, "svm", part(200, 0.4), split="notebook", split_digest="s2")
    one = of(compare([svm]), "svm", "60.9 / 59.6")
    assert one.same_protocol == "– (published)"
    assert "no training accuracy to put beside it: fer-bench run svm --split notebook --force counts" in one.explanation


def test_a_training_figure_stands_beside_the_score_of_the_training_part(tmp_path):
    train = part(900, 0.6, seed=3)
    place = {"split": "notebook", "split_digest": "s2", "training": {"checkpoint": "none"}}
    svm = stored(tmp_path, "svm", part(200, 0.4), train=train, history=[0.99], **place)
    one = of(compare([svm]), "svm", "60.9 / 59.6")
    predicted = train[1].argmax(axis=1)
    accuracy, f1 = (train[0] == predicted).mean(), sk.f1_score(train[0], predicted, average="weighted")
    assert one.same_protocol == f"{percent(accuracy)} / {percent(f1)} (published)"
    assert one.same_protocol_value == pytest.approx(accuracy)
    assert "under its protocol" in one.explanation
    assert "counted" not in one.explanation
    assert of(compare([svm]), "svm", "42.8 / 40.4").same_protocol_value == svm.record.scores.accuracy


def test_of_several_seeds_those_count_that_have_scores_of_the_training_part(tmp_path):
    place = {"split": "notebook", "split_digest": "s2", "training": {"checkpoint": "none"}}
    parts = [part(400, right, seed=9) for right in (0.5, 0.7)]
    runs = [stored(tmp_path, "svm", part(200, 0.4), train=one, seed=i, **place) for i, one in enumerate([*parts, None])]
    wanted = np.mean([(labels == p.argmax(axis=1)).mean() for labels, p in parts])
    assert of(compare(runs), "svm", "60.9 / 59.6").same_protocol_value == pytest.approx(wanted)


def test_a_figure_counted_while_training_stands_beside_such_a_one(tmp_path):
    run = stored(tmp_path, "inception-v3", part(200, 0.4), history=[0.21, 0.36], train=part(300, 0.8))
    one = of(compare([run]), "inception-v3", "33.1")
    assert one.same_protocol == "36.0 (published)"
    assert "counted while it trains" not in one.explanation


def test_the_checkpoint_of_a_training_figure_is_picked_as_the_source_picked_it(tmp_path):
    place = {"split": "notebook-90-10", "split_digest": "s3"}
    trains = {"validation": part(300, 0.5, seed=1), "test": part(300, 0.8, seed=2)}
    runs = [
        stored(tmp_path, "vgg19-full", part(200, 0.4), train=train, checkpoint=picker,
               training={"checkpoint": picker}, **place)
        for picker, train in trains.items()
    ]  # fmt: skip
    one = of(compare(runs), "vgg19-full", "75.9 / 75.6")
    labels, p = trains["test"]
    assert one.same_protocol_value == pytest.approx((labels == p.argmax(axis=1)).mean())
    (fair,) = (run for run in runs if run.record.job.checkpoint == "validation")
    alone = of(compare([fair]), "vgg19-full", "75.9 / 75.6")
    assert alone.same_protocol_value == pytest.approx(fair.record.train_scores.accuracy)
    assert "checkpoint picked by validation data (there: picked on the test part)" in alone.explanation


def test_where_there_is_no_score_the_accuracy_counted_while_training_is_named_so(tmp_path):
    place = {"split": "notebook-90-10", "split_digest": "s3"}
    run = stored(tmp_path, "vgg19-full", part(200, 0.4), checkpoint="test", training={"checkpoint": "test"},
                 history=[0.2, 0.6], **place)  # fmt: skip
    one = of(compare([run]), "vgg19-full", "75.9 / 75.6")
    assert one.same_protocol_value == 0.6
    assert "counted while it trains (there: after it)" in one.explanation


def test_a_validation_figure_stands_beside_a_validation_score(tmp_path):
    validation = part(300, 0.5, seed=1)
    held_out = {"split": "holdout-20-shuffled", "split_digest": "s3"}
    training = {"checkpoint": "validation"}
    run = stored(tmp_path, "vgg-bottleneck", part(300, 0.6), validation, training=training, **held_out)
    official = stored(tmp_path, "vgg-bottleneck", part(300, 0.7), training=training)
    one = of(compare([run, official]), "vgg-bottleneck", "38.0")
    accuracy = (validation[1].argmax(axis=1) == validation[0]).mean()
    assert one.same_protocol_value == pytest.approx(accuracy)
    assert one.same_protocol.startswith(f"{percent(accuracy)} / ")
    assert one.official_value == official.record.scores.accuracy != one.same_protocol_value
    for words in (
        "under the nearest protocol",
        "the validation part of holdout-20-shuffled (there: 20 % of Training held out, drawn without a seed)",
        "checkpoint picked by validation data (there: the last epoch)",
    ):
        assert words in one.explanation


def test_binary_accuracy_stands_beside_binary_accuracy_of_the_same_images(tmp_path):
    """The source's 7,178 images are PublicTest and PrivateTest together."""
    test, validation = part(300, 0.4), part(200, 0.45, seed=1)
    run = stored(
        tmp_path,
        "resnet50",
        test,
        validation,
        runner_version=2,
        recipe_fields={"weights": "imagenet"},
        training={"init": "random"},
    )
    found = compare([run])
    one = of(found, "resnet50", "86.3 binary")
    labels, p = (np.concatenate([a, b]) for a, b in zip(validation, test, strict=True))
    p = p.astype(np.float64) / p.astype(np.float64).sum(axis=1, keepdims=True)
    truth = np.eye(7, dtype=bool)[labels]
    said = p > 0.5
    assert one.same_protocol_value == pytest.approx((said == truth).mean())
    assert one.same_protocol == f"{percent((said == truth).mean())} binary (published)"
    assert one.official.startswith(f"{percent((test[1].argmax(axis=1) == test[0]).mean())} / ")
    assert "none of them has 85.7" in one.explanation
    assert "random weights where the recipe has ImageNet's" in one.explanation
    page = context(boards([run.record], INFOS.values()), INFOS, RunFiles([run]), found, [])["binary"]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page[0]["table"].splitlines()[2:]]
    assert rows[0][1:] == ["–", "85.7", "–", "0.0", "50.0"]
    assert rows[1][1:] == ["–", "86.3", "67.0", "8.5", "74.5"]
    hits = (said & truth).sum()
    assert rows[2][2:5] == [percent(x) for x in ((said == truth).mean(), hits / said.sum(), hits / truth.sum())]


def test_a_constant_answer_has_six_of_seven():
    assert constant(7).accuracy == pytest.approx(6 / 7)
    assert constant(6).accuracy == pytest.approx(5 / 6)


def test_six_emotions_stand_beside_six(tmp_path):
    seven = stored(tmp_path, "staged-cnn", part(300, 0.5))
    six = stored(
        tmp_path, "staged-cnn", part(300, 0.6, classes=6), classes=SIX, dataset="fer2013-six", dataset_digest="d6",
    )  # fmt: skip
    one = of(compare([seven, six]), "staged-cnn", "65.8")
    assert one.same_protocol_value == six.record.scores.accuracy
    assert "fer2013-six" in one.same_protocol
    assert one.official_value == seven.record.scores.accuracy


def test_the_explanation_names_what_is_on_record_and_no_more(tmp_path):
    seen = np.arange(1000) < 80
    test = part(1000, 0.6)
    training = {"init": "random", "checkpoint": "validation", "epochs_run": 7, "epochs_planned": 50}
    common = {"seen": seen, "recipe": "tuned", "recipe_fields": {"epochs": 50, "weights": "random"}, "epochs": 7}
    held_out = {"split": "holdout-20", "split_digest": "s3"}
    runs = [
        stored(tmp_path, "mini-xception", test, part(300, 0.5), training=training, **common, **split)
        for split in ({}, held_out)
    ]
    told = of(compare(runs), "mini-xception", "51.7").explanation
    assert "tuned recipe" in told
    assert "7 of 50 epochs at most" in told
    stopped = {**training, "epochs_run": 6, "best_epoch": 2, "stopped": "early"}
    early = stored(tmp_path / "early", "mini-xception", test, part(300, 0.5), training=stopped, **common, **held_out)
    told_early = of(compare([early]), "mini-xception", "51.7").explanation
    assert "at most" not in told_early
    assert "stopped early, after 6 of 7 epochs, the best of them the 2nd" in told_early
    right = test[1].argmax(axis=1) == test[0]
    assert (
        f"official has {percent(right.mean())} (tuned, epochs capped at 7); {percent(right[80:].mean())} without the 8.0 % of the test images"
        in told
    )
    assert "ImageNet" not in told
    mlp = stored(
        tmp_path, "mlp", part(4000, 0.9), split="notebook", split_digest="s2", training={"checkpoint": "validation"}
    )
    told = of(compare([mlp]), "mlp", "33.0 / 26.0").explanation
    assert (
        "nothing on record sets the two apart (1 seed of ours; what the source leaves open: fer-bench info mlp)" in told
    )
    plain = stored(
        tmp_path, "svm", part(4000, 0.9), split="notebook", split_digest="s2", training={"checkpoint": "none"}
    )
    told = of(compare([plain]), "svm", "42.8 / 40.4").explanation
    assert "outside our 95 % interval" in told
    assert told.endswith("nothing on record sets the two apart (1 seed of ours)")


def test_a_figure_inside_our_interval_is_said_to_be(tmp_path):
    labels = (np.arange(1000) % 7).astype(np.int8)
    guess = np.where(np.arange(1000) < 431, labels, (labels + 1) % 7)
    test = labels, np.eye(7, dtype=np.float16)[guess]
    run = stored(tmp_path, "svm", test, split="notebook", split_digest="s2", training={"checkpoint": "none"})
    told = of(compare([run]), "svm", "42.8 / 40.4").explanation
    assert told == "+0.3 points under its protocol, within our 95 % interval [40.1, 46.2]"


def test_synthetic_faces_are_no_measurement_of_a_published_figure(tmp_path):
    run = stored(tmp_path, "svm", part(200, 0.9), dataset="synthetic", dataset_digest="d9")
    assert of(compare([run]), "svm", "42.8 / 40.4").official == "not run yet"


@pytest.fixture
def vgg(tmp_path) -> list[StoredRun]:
    """vgg19-full, two seeds, with its checkpoint picked fairly and on the test part; and one picked so on official."""
    place = {"split": "notebook-90-10", "split_digest": "s3"}
    runs = []
    for seed in (0, 1):
        for checkpoint, right in (("validation", 0.60), ("test", 0.64)):
            runs.append(stored(
                tmp_path, "vgg19-full", _same_labels(part(500, right, seed=seed)), seed=seed, checkpoint=checkpoint,
                training={"init": "random", "checkpoint": "test" if checkpoint == "test" else "last"}, **place,
            ))  # fmt: skip
    on_official = {"checkpoint": "test", "training": {"init": "random", "checkpoint": "test"}}
    return [*runs, stored(tmp_path, "vgg19-full", part(500, 0.9), **on_official)]


def _same_labels(made):
    """The same images for every run: only the answers differ."""
    labels, p = made
    fixed = np.random.default_rng(99).integers(0, 7, len(labels)).astype(np.int8)
    shift = (fixed - labels) % 7
    return fixed, np.stack([np.roll(row, by) for row, by in zip(p, shift, strict=True)])


def test_where_the_source_picked_on_test_so_does_ours_but_never_on_official(vgg):
    one = of(compare(vgg), "vgg19-full", "66.4 / 66.0")
    picked = [run.record for run in vgg if run.record.job.checkpoint == "test" and run.record.job.split != "official"]
    assert one.same_protocol_value == pytest.approx(np.mean([run.scores.accuracy for run in picked]))
    assert "checkpoint picked on the test part" in one.same_protocol
    assert one.official == "not run yet"
    assert one.official_value is None


def test_what_picking_on_test_was_worth(vgg):
    found = selections(boards([run.record for run in vgg]), RunFiles(vgg))
    (one,) = found
    accuracies = {(r.record.job.checkpoint, r.record.job.seed): r.record.scores.accuracy for r in vgg[:4]}
    wanted = np.mean([accuracies["test", seed] - accuracies["validation", seed] for seed in (0, 1)])
    assert one.worth.value == pytest.approx(wanted)
    assert one.seeds == (0, 1)
    assert one.worth.low < one.worth.value < one.worth.high
    low, high = 100 * one.worth.low, 100 * one.worth.high
    words = f"was worth {100 * wanted:+.1f} points [{low:+.1f}, {high:+.1f}] (published recipe)"
    assert words in of(compare(vgg), "vgg19-full", "66.4 / 66.0").explanation


def test_only_the_same_training_is_compared(vgg):
    one_way = [run for run in vgg if run.record.job.checkpoint == "test"]
    assert not selections(boards([run.record for run in one_way]), RunFiles(one_way))
    capped = [run for run in vgg if run.record.job.checkpoint == "test"] + [
        run._replace(record=run.record.model_copy(update={"job": run.record.job.model_copy(update={"epochs": 1})}))
        for run in vgg
        if run.record.job.checkpoint == "validation"
    ]
    assert not selections(boards([run.record for run in capped]), RunFiles(capped))
    assert not selections(boards([run.record for run in vgg]), RunFiles())


def test_the_interval_is_that_of_a_mean(tmp_path):
    """Of many images the percentile bootstrap is the normal interval; of no difference it is a point."""
    fair, picked = (_same_labels(part(4000, right, seed=1)) for right in (0.6, 0.62))
    found = []
    for place, other in (("better", picked), ("same", fair)):
        runs = [
            stored(tmp_path / place, "svm", made, checkpoint=checkpoint, training={"checkpoint": checkpoint})
            for checkpoint, made in (("validation", fair), ("test", other))
        ]
        found += [selections(boards([run.record for run in runs]), RunFiles(runs))[0].worth for _ in range(2)]
    right = [p.argmax(axis=1) == labels for labels, p in (fair, picked)]
    difference = right[1].astype(float) - right[0]
    half = 1.96 * difference.std() / np.sqrt(4000)
    ends = difference.mean() - half, difference.mean() + half
    assert (found[0].low, found[0].high) == pytest.approx(ends, abs=0.1 * half)
    assert found[0] == found[1]
    assert found[2] == Estimate(0, 0, 0)


def test_other_images_are_no_pair(vgg, tmp_path):
    fair, picked = vgg[0], vgg[1]
    other = np.load(picked.folder / "predictions.npz")
    np.savez(picked.folder / "predictions.npz", **dict(other) | {"rows": other["rows"] + 1})
    assert not selections(boards([fair.record, picked.record]), RunFiles([fair, picked]))


def test_files_are_read_once(vgg, monkeypatch):
    from fer_bench.records import run_files

    read = []
    monkeypatch.setattr(run_files, "predictions_of", lambda *given: read.append(given) or predictions_of(*given))
    files = RunFiles(vgg)
    assert files.predictions(vgg[0].record) is files.predictions(vgg[0].record)
    assert files.predictions(vgg[0].record, "validation") is None
    assert len(read) == 2


def test_the_order_of_records_does_not_matter_and_hostile_text_stays_text(vgg, tmp_path):
    nasty = "</table><script>alert(1)</script> | `rm -rf` *b*\nnext"
    infos = {"mine": RunnerInfo("mine", source=nasty, published=(Published(0.5, None, nasty, nasty, nasty),))}
    runs = [*vgg, stored(tmp_path, "mine", part(100, 0.5), recipe=nasty, params={nasty: nasty})]
    pages = []
    for seed in range(2):
        root = tmp_path / f"report-{seed}"
        write_report(root, random.Random(seed).sample(runs, len(runs)), [*infos.values(), INFOS["vgg19-full"]])
        pages.append((root / "published.md").read_text() + (root / "README.md").read_text())
    assert pages[0] == pages[1]
    assert "<script>" not in pages[0]
    for block in re.findall(r"(?:^\|.*\|$\n?)+", pages[0], flags=re.MULTILINE):
        assert len({len(re.split(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1


def test_committed_results_bear_the_page_out():
    """On the records of this repository: the notebook's SVM, and its CNN."""
    from fer_bench.records.store import Store

    runs, problems = Store(Path(__file__).parents[2] / "results").scan()
    assert not problems
    found = comparisons(boards([run.record for run in runs], INFOS.values()), INFOS, RunFiles(runs))
    svm = of(found, "svm", "42.8 / 40.4")
    assert svm.same_protocol_value == pytest.approx(0.4281, abs=5e-4)
    assert "within our 95 % interval" in svm.explanation
    assert "without the 8.0 % of the test images that stand in Training" in svm.explanation
    cnn = of(found, "custom-cnn", "32.4 / 26.6")
    assert "ours: stopped early, after 8 of 10 epochs, the best of them the 1st" in cnn.explanation
