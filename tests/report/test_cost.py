"""What runs cost, on the board, in the report and in its pictures: only equal hardware is compared."""

from __future__ import annotations

import random
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from made_records import record

from fer_bench.board.board import Board
from fer_bench.board.build import boards
from fer_bench.board.columns import quantity
from fer_bench.records.record import Cost, Environment, RunRecord
from fer_bench.records.store import Store, StoredRun
from fer_bench.report import cost_plots
from fer_bench.report.cost_plots import pareto
from fer_bench.report.plot_labels import place_labels
from fer_bench.report.write import write_report

CPU = Environment(device="cpu", cpu="AMD EPYC", cores=2, threads={"openmp": 2, "openblas": 2})
GPU = Environment(device="H100", cpu="AMD EPYC", cores=16)
COLORS = {"classical": "C0", "deep": "C1"}


def run_on(environment: Environment, runner: str, right: float = 0.5, seed: int = 0, **cost: object) -> RunRecord:
    return record(runner, right, seed=seed).model_copy(update={"environment": environment, "cost": Cost(**cost)})


@pytest.fixture
def board() -> Board:
    phases = {"load": 1.0, "compile": 2.0, "train": 90.0, "validate": 5.0}
    return boards([
        run_on(CPU, "net", 0.6, fit_seconds=100.0, phases=phases, latency_p50_ms=4.0, macs=10_163_392, parameters=58_423),
        run_on(CPU, "net", 0.62, 1, fit_seconds=102.0, phases=phases, latency_p50_ms=6.0, macs=10_163_392),
        run_on(GPU, "net", 0.7, 2, fit_seconds=3.0, latency_p50_ms=0.5, peak_gpu_bytes=3 * 2**30),
        run_on(CPU, "svm", 0.4, fit_seconds=1234.5, latency_p50_ms=104.26, model_bytes=238 * 2**20),
        record("failed", status="error"),
    ])[0]  # fmt: skip


def costs(board: Board) -> dict[str, dict[str, str]]:
    columns, cells = board.table("cost")
    return {row[0]: dict(zip([column.header for column in columns], row, strict=True)) for row in cells}


def test_each_hardware_has_its_own_rows_and_means(board: Board):
    (gpu_name, gpu), (cpu_name, cpu) = board.by_hardware()
    assert (gpu_name, cpu_name) == ("H100, AMD EPYC, 16 cores", "cpu, AMD EPYC, 2 cores")
    assert {name: row["Fit s"] for name, row in costs(gpu).items()} == {"net": "3.0"}
    assert {name: row["Fit s"] for name, row in costs(cpu).items()} == {"net": "101", "svm": "1,234"}
    net, svm = costs(cpu)["net"], costs(cpu)["svm"]
    assert (net["Latency p50 ms"], svm["Latency p50 ms"]) == ("5.00", "104")
    assert (net["MACs"], svm["MACs"]) == ("10.2 M", "")
    assert (net["Parameters"], svm["Model MiB"], net["Threads"]) == ("58.4 k", "238", "2")
    assert costs(gpu)["net"]["Peak GPU MiB"] == "3,072"
    assert net["Accuracy [95 %]"].startswith("61.0 ±")


def test_the_phases_and_what_they_leave_out_add_up_to_the_fit(board: Board):
    row = board.frame().set_index("runner").loc["svm"]
    assert row["other_seconds"] == row["fit_seconds"] == 1234.5
    net = board.by_hardware()[1][1].frame().set_index("runner").loc["net"]
    assert net["other_seconds"] == pytest.approx(4.0)  # loading is no part of the fit
    parts = net[["compile_seconds", "train_seconds", "validate_seconds", "other_seconds"]]
    assert parts.sum() == pytest.approx(net["fit_seconds"])


def test_records_of_before_the_macs_still_read():
    runs, problems = Store(Path(__file__).parents[2] / "results").scan()
    assert not problems
    old = [stored.record.model_dump() for stored in runs]
    for run in old:
        del run["cost"]["macs"]
    tables = [costs(part) for found in boards(map(RunRecord.model_validate, old)) for _, part in found.by_hardware()]
    rows = [row for table in tables for row in table.values()]
    assert rows
    assert all("MACs" not in row and row["Fit s"] for row in rows)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (0, "0"), (353, "353"), (999.6, "1.00 k"), (58_423, "58.4 k"), (1_504_423, "1.50 M"), (19.63e9, "19.6 G"),
     (999_960, "1.00 M"), (353_287, "353 k"), (9_999, "10.0 k")],
)  # fmt: skip
def test_counts_as_people_say_them(value: float | None, text: str):
    assert quantity(value) == text


@pytest.mark.parametrize(
    ("cost", "accuracy", "front"),
    [
        ([1, 2, 3], [0.1, 0.2, 0.3], [1, 1, 1]),
        ([1, 2, 3], [0.3, 0.2, 0.1], [1, 0, 0]),
        ([1, 1, 2], [0.1, 0.2, 0.2], [0, 1, 0]),  # equally cheap, equally accurate
        ([2, 1, 2, 1], [0.5, 0.4, 0.5, 0.4], [1, 1, 1, 1]),  # each twice
        ([None, 1, float("nan"), 2, 1], [0.9, 0.5, 0.9, 0.4, None], [0, 1, 0, 0, 0]),
        ([], [], []),
    ],
)
def test_pareto(cost: list[float], accuracy: list[float], front: list[int]):
    assert pareto(cost, accuracy).tolist() == [bool(on) for on in front]


def test_whoever_is_not_on_the_front_is_beaten_by_one_that_is():
    rng = np.random.default_rng(0)
    for _ in range(50):
        cost, accuracy = rng.integers(0, 6, (2, 20))
        front = pareto(cost.tolist(), accuracy.tolist())
        line = sorted(set(zip(cost[front].tolist(), accuracy[front].tolist(), strict=True)))
        assert all(a < b and p < q for (a, p), (b, q) in pairwise(line))
        for i in np.flatnonzero(~front):
            as_good = front & (cost <= cost[i]) & (accuracy >= accuracy[i])
            assert (as_good & ((cost < cost[i]) | (accuracy > accuracy[i]))).any()


def test_labels_cover_neither_each_other_nor_what_is_drawn():
    rng = np.random.default_rng(1)
    frame = np.array([0.0, 0.0, 800.0, 500.0])
    for _ in range(5):
        points = rng.uniform([60, 60], [740, 440], (24, 2))
        points[1] = points[0]  # two in one place
        sizes = np.stack([rng.uniform(70, 140, 24), np.full(24, 14.0)], axis=1)
        obstacles = np.concatenate([points - 6, points + 6], axis=1)
        corners = place_labels(points, sizes, obstacles, frame)
        assert (corners == place_labels(points, sizes, obstacles, frame)).all()
        boxes = np.concatenate([corners, corners + sizes], axis=1)
        assert (boxes[:, :2] >= -1e-9).all()
        assert (boxes[:, 2:] <= frame[2:] + 1e-9).all()
        every = np.concatenate([boxes, obstacles])
        for i, box in enumerate(boxes):
            others = np.delete(every, i, axis=0)
            apart = (others[:, :2] >= box[2:] - 1e-4).any(axis=1) | (others[:, 2:] <= box[:2] + 1e-4).any(axis=1)
            assert apart.all()


def test_a_lone_label_stands_beside_its_point_and_one_without_room_stands_somewhere():
    frame = np.array([0.0, 0.0, 100.0, 50.0])
    ((x, y),) = place_labels(np.array([[20.0, 25.0]]), np.array([[40.0, 10.0]]), np.empty((0, 4)), frame)
    assert 20 < x < 30
    assert y == pytest.approx(20.0)
    assert np.isfinite(place_labels(np.array([[20.0, 25.0]]), np.array([[400.0, 90.0]]), np.empty((0, 4)), frame)).all()


def test_a_picture_needs_two_rows_that_have_the_cost(board: Board):
    (place, gpu), (_, cpu) = board.by_hardware()
    assert cost_plots.cost_plot(gpu, "latency_p50_ms", place, COLORS) is None
    for cost in cost_plots.COSTS:
        assert cost_plots.cost_plot(cpu, cost, "here", COLORS).startswith(b"\x89PNG")
    untimed = boards([run_on(CPU, "a", 0.4), run_on(CPU, "b", 0.5)])[0]
    assert cost_plots.cost_plot(untimed, "fit_seconds", "here", COLORS) is None


def test_the_report_has_a_table_for_each_hardware_and_its_pictures(board: Board, tmp_path: Path):
    runs = [StoredRun(run, tmp_path) for row in board.rows for run in row.records]
    written = write_report(tmp_path, runs).paths
    before = {path: path.read_bytes() for path in written}
    write_report(tmp_path, random.Random(2).sample(runs, len(runs)))
    assert {path: path.read_bytes() for path in written} == before
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    places = re.findall(r"^On \*\*(.+)\*\*:$", text, flags=re.MULTILINE)
    assert places == ["H100, AMD EPYC, 16 cores", "cpu, AMD EPYC, 2 cores"]
    pictures = {path.name for path in (tmp_path / "plots").glob("*cores.png")}
    assert pictures == {f"{name}-fer2013-official-cpu-AMD-EPYC-2-cores.png" for name in ("latency", "fit-time")}
