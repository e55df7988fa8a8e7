"""What a leaderboard says of its rows: the tuple of columns; a new column is one entry there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import stdev
from typing import Any

from .row import Row, average

#: The phases that are part of a fit; the images are loaded before it.
FIT_PHASES = ("compile", "train", "validate")


def _span(values: Iterable[int | None]) -> str:
    known = sorted({value for value in values if value is not None})
    return "" if not known else f"{known[0]}" if len(known) == 1 else f"{known[0]}-{known[-1]}"


def _distinct(values: Iterable[str]) -> str | None:
    return ", ".join(sorted({value for value in values if value})) or None


def percent(value: float | None) -> str:
    """Writes a fraction in percent with one digit after the point; "" for None."""
    return "" if value is None else f"{100 * value:.1f}"


def accuracy_text(row: Row) -> str:
    """Writes accuracy and interval in percent: "44.8 [43.2, 46.4]", or "44.8 ± 0.3 [43.2, 46.4]" over several seeds."""
    ends = row.interval("accuracy")
    if ends is None:
        return ""
    return f"{_mean_text(row.scores('accuracy'))} [{percent(ends[0])}, {percent(ends[1])}]"


def tta_text(row: Row) -> str:
    """Writes the accuracy with test-time augmentation: "flip 46.1", or "flip 46.1 ± 0.3" over several seeds."""
    return f"{row.tta} {_mean_text(row.tta_scores('accuracy'))}" if row.tta else ""


def _mean_text(values: Sequence[float]) -> str:
    spread = _spread(values)
    return percent(average(values)) + ("" if spread is None else f" ± {percent(spread)}")


def _spread(values: Sequence[float]) -> float | None:
    """Standard deviation over seeds, with n - 1."""
    return stdev(values) if len(values) > 1 else None


@dataclass(frozen=True)
class Column:
    """A column: its name in files, header in tables, its value of a row, and how a table shows it.

    ``dtype`` is pandas' ("string" columns are left aligned); ``tables`` says where it stands besides in
    leaderboard.csv.
    """

    name: str
    header: str
    value: Callable[[Row], Any]
    dtype: str = "Float64"
    show: Callable[[Row], str] | None = None
    tables: tuple[str, ...] = ("report",)

    def text(self, row: Row) -> str:
        """What a table shows of a row in this column; "" where there is nothing to show."""
        if self.show is not None:
            return self.show(row)
        value = self.value(row)
        return "" if value is None else f"{value:,}" if self.dtype == "Int64" else str(value)


def _figure(
    name: str, header: str, value: Callable[[Row], float | None], form: Callable[[float | None], str], *tables: str
) -> Column:
    """A number and how it is written."""
    return Column(name, header, value, show=lambda row: form(value(row)), tables=tables)


def _score(name: str, header: str, *tables: str, form: Callable[[float | None], str] = percent) -> Column:
    """A score's mean over seeds."""
    return _figure(name, header, lambda row: row.mean(name), form, *tables)


def _train_score(name: str, header: str) -> Column:
    """A score of the training part, as a mean over seeds."""
    return _figure(f"train_{name}", header, lambda row: row.train_mean(name), percent, "report")


def _ends(name: str) -> tuple[Column, Column]:
    """The low and the high end of the interval of "accuracy" or "macro_f1"."""
    return (
        Column(f"{name}_low", "Low", lambda row: (row.interval(name) or (None, None))[0], tables=()),
        Column(f"{name}_high", "High", lambda row: (row.interval(name) or (None, None))[1], tables=()),
    )


def _cost(name: str, header: str, form: Callable[[float | None], str], *tables: str) -> Column:
    """A cost's mean over seeds."""
    return _figure(name, header, lambda row: row.cost(name), form, *(tables or ("cost",)))


def _tta_cost(name: str, header: str) -> Column:
    """A cost of predicting with test-time augmentation."""
    return _figure(f"tta_{name}", header, lambda row: row.tta_cost(name), _three_digits, "cost")


def _phase(name: str) -> Column:
    """A phase's seconds, as a mean over seeds."""
    return _figure(f"{name}_seconds", f"{name.capitalize()} s", lambda row: row.phase(name), _seconds, "cost")


def _environment(name: str, header: str, *tables: str) -> Column:
    """Where the runs of a row ran; what differs between them stands side by side."""
    return Column(
        name,
        header,
        lambda row: _distinct(str(getattr(run.environment, name) or "") for run in row.runs),
        "string",
        tables=tables,
    )


def _three(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}" if value < 10 else f"{value:,.0f}"


def _three_digits(value: float | None) -> str:
    """Three significant digits, or all before the point: 0.82, 6.72, 354, 7,149."""
    return "" if value is None else f"{value:,.{2 if value < 9.995 else 1 if value < 99.95 else 0}f}"


def quantity(value: float | None) -> str:
    """A count as people say it, with three digits: 58.4 k, 1.35 M, 19.6 G."""
    if value is None or value < 999.5:
        return "" if value is None else f"{value:.0f}"
    power = 0
    while value >= 999.5 and power < 4:
        value, power = value / 1000, power + 1
    return f"{_three_digits(value)} {' kMGT'[power]}"


def _mebibytes(value: float | None) -> str:
    return _three_digits(None if value is None else value / 2**20)


def _epochs(row: Row) -> str:
    run, planned = (_span(getattr(r.training, f"epochs_{name}") for r in row.runs) for name in ("run", "planned"))
    return f"{run}/{planned}" if planned else run


def _revision(row: Row) -> str | None:
    """The revision of this program, "+dirty" where its tree had changes; those of the runs side by side."""
    places = (run.environment for run in row.runs)
    return _distinct(f"{p.git_revision[:7]}{'+dirty' if p.git_dirty else ''}" for p in places if p.git_revision)


def _parameters(row: Row) -> int | None:
    return next((run.cost.parameters for run in row.runs if run.cost.parameters is not None), None)


def _other_seconds(row: Row) -> float | None:
    """What the phases of the fit do not account for, as a mean over seeds."""
    fits = [(run.cost.fit_seconds, run.cost.phases) for run in row.runs if run.cost.fit_seconds is not None]
    return average(fit - sum(phases.get(name, 0) for name in FIT_PHASES) for fit, phases in fits)


def _threads(row: Row) -> str | None:
    return _distinct(" ".join(f"{k}={v}" for k, v in sorted(run.environment.threads.items())) for run in row.runs)


def _threads_span(row: Row) -> str:
    """ "2" where every library has two."""
    return _span(count for run in row.runs for count in run.environment.threads.values())


def _note(row: Row) -> str | None:
    return "; ".join(filter(None, (row.note(), row.mishaps()))) or None


BOTH = ("report", "short")
EVERY = (*BOTH, "cost")
COLUMNS: tuple[Column, ...] = (
    Column("rank", "#", lambda row: row.rank, "Int64", tables=BOTH),
    Column("runner", "Runner", lambda row: row.label, "string", tables=EVERY),
    Column("family", "Family", lambda row: row.family or None, "string"),
    Column("recipe", "Recipe", lambda row: row.recipe, "string", tables=EVERY),
    Column("init", "Init", lambda row: _distinct(run.training.init for run in row.runs), "string", tables=BOTH),
    Column("status", "Status", lambda row: row.status, "string", tables=BOTH),
    Column("accuracy", "Accuracy [95 %]", lambda row: row.mean("accuracy"), show=accuracy_text, tables=EVERY),
    *_ends("accuracy"),
    Column("accuracy_sd", "SD over seeds", lambda row: _spread(row.scores("accuracy")), tables=()),
    _score("accuracy_unseen", "Unseen", *BOTH),
    Column("tta", "TTA method", lambda row: row.tta or None, "string", tables=()),
    Column("tta_accuracy", "TTA", lambda row: average(row.tta_scores("accuracy")), show=tta_text, tables=EVERY),
    _figure(
        "tta_accuracy_unseen", "TTA unseen", lambda row: average(row.tta_scores("accuracy_unseen")), percent, "report"
    ),
    _score("weighted_f1", "F1 wtd", *BOTH),
    _score("macro_f1", "F1 macro", "report"),
    *_ends("macro_f1"),
    _score("balanced_accuracy", "Balanced", "report"),
    _score("log_loss", "Log loss", "report", form=_three),
    _score("calibration_error", "ECE", "report", form=_three),
    _score("top2_accuracy", "Top-2", "report"),
    _score("binary_accuracy", "Binary", "report"),
    _train_score("accuracy", "Train"),
    _train_score("weighted_f1", "Train F1 wtd"),
    Column(
        "epochs_run", "Epochs", lambda row: average(r.training.epochs_run for r in row.runs), show=_epochs, tables=BOTH
    ),
    Column("epochs_planned", "Planned", lambda row: average(r.training.epochs_planned for r in row.runs), tables=()),
    Column("checkpoint", "Checkpoint", lambda row: _distinct(run.training.checkpoint for run in row.runs), "string"),
    Column(
        "parameters", "Parameters", _parameters, "Int64", lambda row: quantity(_parameters(row)), ("report", "cost")
    ),
    _cost("macs", "MACs", quantity),
    _cost("model_bytes", "Model MiB", _mebibytes),
    _cost("fit_seconds", "Fit s", _seconds, *EVERY),
    *(_phase(name) for name in FIT_PHASES),
    _figure("other_seconds", "Other s", _other_seconds, _seconds, "cost"),
    _phase("load"),
    _cost("train_images_per_second", "Train images/s", _three_digits),
    _cost("predict_images_per_second", "Predict images/s", _three_digits),
    _cost("latency_p50_ms", "Latency p50 ms", _three_digits),
    _cost("latency_p95_ms", "p95 ms", _three_digits),
    _tta_cost("predict_images_per_second", "TTA images/s"),
    _tta_cost("latency_p50_ms", "TTA p50 ms"),
    _tta_cost("latency_p95_ms", "TTA p95 ms"),
    _cost("peak_ram_bytes", "Peak RAM MiB", _mebibytes),
    _cost("peak_gpu_bytes", "Peak GPU MiB", _mebibytes),
    _environment("device", "Device", "report"),
    _environment("cpu", "CPU"),
    _environment("cores", "Cores"),
    _environment("backend", "Backend", "cost"),
    Column("threads", "Threads", _threads, "string", _threads_span, ("cost",)),
    Column("seeds", "Seeds", lambda row: len(row.records) or None, "Int64"),
    Column("revision", "Revision", _revision, "string"),
    Column("stale", "Stale", lambda row: ", ".join(row.stale) or None, "string"),
    Column("note", "Note", _note, "string", tables=("report", "cost")),
)
