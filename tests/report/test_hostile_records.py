"""Records from anywhere: whatever stands in their texts, the report shows it as text and writes only where it
should.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from made_records import keep, record

from fer_bench.errors import InputError
from fer_bench.records.store import RECORD, Store, read_record
from fer_bench.report import markdown
from fer_bench.report.write import write_report

HOSTILE = (
    "</script><img src=x onerror=alert(1)>](http://evil) [a]: http://evil `|*_ ```\n``` $x^{$ \x1b[31m\u202e =1+1 &amp;"
)
#: Texts that a run may have brought from elsewhere, by where they stand in its record.
FREE = (
    ("command",), ("started",), ("job", "family"), ("job", "weights"),
    ("training", "init"), ("training", "checkpoint"), ("training", "stopped"), ("environment", "device"), ("environment", "cpu"), ("environment", "os"),
    ("environment", "backend"), ("environment", "python"), ("environment", "git_revision"),
)  # fmt: skip


def store_with(tmp_path: Path, change: Any) -> Store:
    """One sound record, and one that is changed on disk."""
    store = Store(tmp_path / "results")
    keep(store, record("sound"))
    path = keep(store, record("other", right=0.6)) / RECORD
    fields = json.loads(path.read_text(encoding="utf-8"))
    change(fields)
    path.write_text(json.dumps(fields), encoding="utf-8")
    return store


def test_hostile_texts_everywhere_stay_text(tmp_path: Path) -> None:
    text = HOSTILE.replace("\n", " ")

    def change(fields: dict[str, Any]) -> None:
        for *above, name in FREE:
            part = fields
            for key in above:
                part = part[key]
            part[name] = text if name == "command" else text[:400]
        fields["command"] = HOSTILE
        fields["job"]["params"] = {text: text}
        fields["training"]["extra"] = {text: [text], "note": text}
        fields["environment"]["packages"] = {text: text}
        fields["job"]["runner"] = fields["job"]["recipe"] = fields["job"]["split"] = "a" + text.replace("/", "")[:150]
        names = [f"{text[:100]}{number}" for number in range(7)]
        for scores in (fields["scores"], fields["validation_scores"]):
            if scores:
                scores["emotions"] = dict(zip(names, scores["emotions"].values(), strict=True))
        fields["job"]["classes"] = names

    store = store_with(tmp_path, change)
    runs, problems = store.scan()
    assert (len(runs), problems) == (2, [])
    before = {path for path in tmp_path.rglob("*") if store.root not in path.parents}
    written = write_report(store.root, runs).paths
    assert before == {path for path in tmp_path.rglob("*") if store.root not in path.parents}
    assert all(path.resolve().is_relative_to(store.root.resolve()) for path in written)
    for name in ("README.md", "published.md", "index.html"):
        page = "".join(
            (store.root / name).read_text(encoding="utf-8").split("```")[::2]
        )  # without what is shown as code
        for raw in ("<img", "</script><", "\x1b", "\u202e"):
            assert raw not in page, (name, raw)
    page = (store.root / "README.md").read_text(encoding="utf-8")
    fences = [line for line in page.splitlines() if line.startswith("```")]
    assert set(fences) == {"```"}
    assert len(fences) == 2 * page.count("Commands that wrote these records; digests")
    outside = "".join(page.split("```")[::2])
    assert "](http" not in outside.replace("\\](http", "")
    assert "]:" not in outside.replace("\\]:", "")


@pytest.mark.parametrize("field", ["runner", "recipe", "dataset", "split", "key", "dataset_digest"])
@pytest.mark.parametrize("name", ["../../evil", "/evil", "a/../../evil", "..\\evil", "=1+1", "two\nlines", "x" * 300])
def test_a_name_that_is_a_path_or_a_formula_is_refused(tmp_path: Path, field: str, name: str) -> None:
    store = store_with(tmp_path, lambda fields: fields["job"].update({field: name}))
    runs, problems = store.scan()
    assert len(runs) == 1
    assert len(problems) == 1
    assert f"job.{field}" in problems[0]


FAULTS: dict[str, Any] = {
    "a confusion matrix that is not 7 x 7": lambda fields: fields["scores"]["confusion"].pop(),
    "images that the confusion matrix does not have": lambda fields: fields["scores"].update(images=1),
    "a figure outside 0 to 1": lambda fields: fields["scores"].update(accuracy=1.5),
    "other emotions than the job's classes": lambda fields: fields["scores"]["emotions"].pop("fear"),
    "beyond all measure": lambda fields: fields["cost"].update(macs=10**30),
    "cost.fit_seconds: -1.0, a negative figure": lambda fields: fields["cost"].update(fit_seconds=-1),
    "training.batch_divisor: 0, 1 is the least": lambda fields: fields["training"].update(batch_divisor=0),
    "job.recipe_fields.stages: 5 is no list": lambda fields: fields["job"].update(recipe_fields={"stages": 5}),
    "job.recipe_fields.stages.0.batch: 'x', a whole number": lambda fields: fields["job"].update(
        recipe_fields={"stages": [{"batch": "x"}]}
    ),
    "accuracy 0.999 outside its interval": lambda fields: fields["scores"].update(accuracy=0.999),
    "environment.device: a name of more than": lambda fields: fields["environment"].update(device="x" * 600),
    "training.epochs_run: -1, a negative figure": lambda fields: fields["training"].update(epochs_run=-1),
    "NaN is no number": lambda fields: fields["scores"].update(accuracy=float("nan")),
    "nested more than": lambda fields: fields["training"]["extra"].update(x=json.loads("[" * 60 + "]" * 60)),
}


@pytest.mark.parametrize("words", FAULTS)
def test_a_record_that_can_not_be(tmp_path: Path, words: str) -> None:
    store = store_with(tmp_path, FAULTS[words])
    _, problems = store.scan()
    assert len(problems) == 1
    assert words in problems[0]


def test_a_record_of_absurd_size_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / RECORD
    with path.open("wb") as file:
        file.truncate(1 << 40)  # sparse: it takes no room
    with pytest.raises(InputError, match="more than"):
        read_record(path)


def test_markdown_of_intervals_stays_as_it_is() -> None:
    assert markdown.escape("44.8 [43.2, 46.4]") == "44.8 [43.2, 46.4]"
    assert markdown.escape("![x](http://evil)") == "![x\\](http://evil)"
