"""Classical runners as ONNX: their features, their estimator, and what makes probabilities of its scores.

skl2onnx and onnxmltools turn the estimators, but for our own support vector machine, which they don't know.
"""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import helper

from ..api.runner import Runner
from ..errors import InputError
from ..runners import features
from ..runners.described import DescribedRunner
from ..runners.hog_svm import HogSVM
from ..runners.sklearn import SklearnRunner
from ..runners.svm import SVM
from ..runners.xgboost import XGBoost
from . import onnx_file
from .graph import Graph, number
from .onnx_features import LENGTHS, OF
from .onnx_file import INPUT, OPSET, OUTPUT

if TYPE_CHECKING:
    from .worker import ExportTask

#: Of the operators of trees and the like; onnxruntime reads it from version 1.6 on.
ML_OPSET = 3
#: By how much the answer leads at least, as in ``runners.sklearn.led_by``.
LEAD = number(1.002)


def export(runner: Runner, task: ExportTask, path: Path) -> None:
    """Writes the ONNX file of a loaded runner to ``path``. Raises InputError for a runner that has no such form."""
    made = onnx_file.finish(convert(runner), task.classes, task.about)
    if task.quantize == "float16":
        onnx_file.in_float16(made)
    onnx.save(made, path)


def convert(runner: Runner) -> onnx.ModelProto:
    """A loaded runner as ONNX: (N, 48, 48) uint8 images in, (N, classes) float32 probabilities out.

    Raises InputError for a runner that has no such form.
    """
    graph, place = Graph(), None
    if isinstance(runner, XGBoost) and _has(runner, XGBoost, "predict_proba"):
        rows, length = _features(graph, runner.features, runner.info.name)
        known = _trees(graph, runner, rows, length)
    elif isinstance(runner, SklearnRunner) and _has(runner, SklearnRunner, "predict_proba"):
        rows, length = _features(graph, _seen(runner), runner.info.name)
        known = _known(graph, runner, rows, length)
        # A class that was absent from the training part gets 0.
        place = np.eye(runner.outputs, dtype=np.float32)[runner.estimator.classes_]
    else:
        raise InputError(f"{runner.info.name} predicts in a way of its own, which has no form as ONNX")
    if place is not None:
        known = graph.node("MatMul", known, place)
    graph.node("Div", known, graph.node("ReduceSum", known, np.array([1]), keepdims=1), output=OUTPUT)
    return graph.model()


def _has(runner: Runner, base: Any, method: str) -> bool:
    """Whether a runner does something as a base class of ours does it."""
    return getattr(type(runner), method) is getattr(base, method)


def _seen(runner: SklearnRunner) -> Any:
    """The function of ``runners.features`` that a runner's ``features`` is; None where it is none of them."""
    if _has(runner, SklearnRunner, "features"):
        return features.pixels
    if isinstance(runner, DescribedRunner) and _has(runner, DescribedRunner, "features"):
        return runner.describe
    return features.hog if _has(runner, HogSVM, "features") else None


def _features(graph: Graph, seen: Any, name: str) -> tuple[str, int]:
    """The rows that an estimator sees, (N, D) float32, and D."""
    if seen not in OF:
        raise InputError(f"{name} computes features of its own, which have no form as ONNX")
    return OF[seen](graph, INPUT), LENGTHS[seen]


def _trees(graph: Graph, runner: XGBoost, rows: str, length: int) -> str:
    """(N, classes): the probabilities that the trees of a booster come to."""
    from onnxmltools import convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType

    given = [("rows", FloatTensorType([None, length]))]
    made = convert_xgboost(runner.booster, initial_types=given, target_opset=15)
    (trees,) = (node for node in made.graph.node if node.op_type == "TreeEnsembleClassifier")
    # A classifier of two classes would be given one score for both; a regressor gives what each class's trees sum to.
    told = {value.name.replace("class_", "target_"): helper.get_attribute_value(value) for value in trees.attribute}
    told |= {"n_targets": len(told.pop("classlabels_int64s")), "post_transform": "NONE"}
    graph.domains["ai.onnx.ml"] = ML_OPSET
    sums = graph.node("TreeEnsembleRegressor", rows, domain="ai.onnx.ml", **told)
    return graph.node("Softmax", sums, axis=1)


def _known(graph: Graph, runner: SklearnRunner, rows: str, length: int) -> str:
    """(N, K) float32: the probabilities of the classes that a fitted estimator knows."""
    from sklearn.pipeline import Pipeline

    last = runner.estimator
    if isinstance(last, Pipeline):
        first, last = last[:-1], last[-1]
        (rows,) = graph.include(_sklearn(first, length, {}), rows)
        length = first.transform(np.zeros((1, length), np.float32)).shape[1]
    classes = len(last.classes_)
    if isinstance(runner, SVM):
        scores, votes = _machine(graph, last, rows)
        answer = _one_hot(graph, graph.node("ArgMax", votes, axis=1, keepdims=1), np.arange(classes))
        return _led_by(graph, scores, answer, classes, runner.temperature)
    if not _has(runner, SklearnRunner, "decide"):
        raise InputError(f"{runner.info.name} decides in a way of its own, which has no form as ONNX")
    raw = not hasattr(last, "predict_proba")
    labels, scores = graph.include(_sklearn(last, length, {"raw_scores": True} if raw else {"zipmap": False}), rows)
    if not raw:
        return scores
    if classes == 2:  # of both, where the runner has it of one
        scores = graph.node("Div", scores, number(2))
    answer = _one_hot(graph, graph.node("Reshape", labels, np.array([-1, 1])), last.classes_)
    return _led_by(graph, scores, answer, classes, runner.temperature)


def _sklearn(estimator: Any, length: int, options: dict[str, bool]) -> onnx.ModelProto:
    """A fitted estimator as ONNX, by skl2onnx. Raises InputError where that knows no form of it."""
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType
    from skl2onnx.common.exceptions import MissingConverter, MissingShapeCalculator

    if getattr(estimator, "weights", None) == "distance":  # of neighbours; skl2onnx gives their mere count
        raise InputError(f"skl2onnx has no form of {type(estimator).__name__} with votes weighted by distance")
    try:
        return convert_sklearn(
            estimator,
            initial_types=[("rows", FloatTensorType([None, length]))],
            target_opset={"": OPSET, "ai.onnx.ml": ML_OPSET},
            options={id(estimator): options} if options else None,
        )
    except (MissingConverter, MissingShapeCalculator, NameError, RuntimeError, NotImplementedError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"skl2onnx has no form of {type(estimator).__name__} ({reason})") from error


def _machine(graph: Graph, machine: Any, rows: str) -> tuple[str, str]:
    """(N, K) scores and votes of ``runners.machine.SupportVectorMachine``, computed as it does."""

    def squared(name: str) -> str:
        return graph.node("ReduceSum", graph.node("Mul", name, name), np.array([1]), keepdims=1)

    products = graph.node("MatMul", rows, np.asarray(machine.support_vectors_.T, np.float32))
    sums = graph.node("Add", squared(rows), np.asarray(machine.norms_, np.float32))
    distances = graph.node("Relu", graph.node("Sub", sums, graph.node("Mul", products, number(2))))
    kernel = graph.node("Exp", graph.node("Mul", distances, number(-machine.gamma_)))
    decisions = graph.node("MatMul", kernel, np.asarray(machine.coefficients_, np.float32))
    decisions = graph.node("Add", decisions, np.asarray(machine.intercept_, np.float32))
    classes = len(machine.classes_)
    signs = np.zeros((len(machine.intercept_), classes), np.float32)
    for pair, (first, second) in enumerate(combinations(range(classes), 2)):
        signs[pair, first], signs[pair, second] = 1, -1
    won = graph.float32(graph.node("Greater", decisions, number(0)))
    lost = graph.node("Sub", number(1), won)
    votes = graph.node(
        "Add",
        graph.node("MatMul", won, (signs > 0).astype(np.float32)),
        graph.node("MatMul", lost, (signs < 0).astype(np.float32)),
    )
    confidence = graph.node("MatMul", decisions, signs)
    most = graph.node("Mul", graph.node("Add", graph.node("Abs", confidence), number(1)), number(3))
    return graph.node("Add", votes, graph.node("Div", confidence, most)), votes


def _one_hot(graph: Graph, labels: str, classes: np.ndarray) -> str:
    """(N, 1) int64 -> (N, K) bool: which of the classes each is."""
    return graph.node("Equal", labels, np.asarray(classes, np.int64)[None])


def _led_by(graph: Graph, scores: str, answer: str, classes: int, temperature: float) -> str:
    """The probabilities of scores, in which the answer leads; see ``runners.sklearn.led_by``.

    Args:
        graph: gets the nodes.
        scores: (N, K) float32.
        answer: (N, K) bool.
        classes: K.
        temperature: what scores are multiplied by.
    """
    fair = graph.node("Softmax", graph.node("Mul", scores, number(temperature)), axis=1)
    on_top = _one_hot(graph, graph.node("ArgMax", fair, axis=1, keepdims=1), np.arange(classes))
    most = graph.node("ReduceMax", fair, axes=[1], keepdims=1)
    own = graph.node("ReduceMax", graph.node("Where", answer, fair, number(0)), axes=[1], keepdims=1)
    led = graph.node("Where", answer, most, graph.node("Where", on_top, own, fair))
    others = graph.node("ReduceMax", graph.node("Where", answer, number(0), led), axes=[1], keepdims=1)
    return graph.node("Where", answer, graph.node("Max", most, graph.node("Mul", others, LEAD)), led)
