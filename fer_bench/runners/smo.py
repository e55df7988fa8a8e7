"""The dual of an RBF support vector classifier: all one-vs-one pairs in lockstep, in JAX, on a GPU or a CPU.

Sequential minimal optimisation with libsvm's second-order choice of the two rows of a step: "WSS 2" of Fan, Chen and
Lin, Working set selection using second order information for training SVM (JMLR 6, 2005).

Import this module when it is needed, not before: it imports JAX.
"""

from __future__ import annotations

import warnings
from functools import partial
from itertools import combinations
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

TINY = 1e-12  #: stands for the curvature between two rows that are equal, as in libsvm


class Solution(NamedTuple):
    """Of P pairs of classes over N rows; the decision of a pair is kernel @ coefficients + intercept.

    Attributes:
        coefficients: (N, P) float32, y x alpha; above 0 in the pair's first class, below in its second, else 0.
        intercept: (P,) float64.
        gap: (P,) float32, the largest violation of the optimality conditions that is left.
        iterations: (P,) int32.
    """

    coefficients: np.ndarray
    intercept: np.ndarray
    gap: np.ndarray
    iterations: np.ndarray


def solve(
    rows: np.ndarray,
    columns: np.ndarray,
    bounds: np.ndarray,
    gamma: float,
    tolerance: float = 1e-3,
    limit: int = 1_000_000,
) -> Solution:
    """Solves the dual for every pair of classes, in float32.

    The Gram matrix stays in the device's memory: 4 N^2 bytes, 3.3 GB for the 28,709 Training faces.

    Args:
        rows: (N, D) float32 features.
        columns: (N,) the class of each row, 0 to K - 1, each of which has rows.
        bounds: (N,) the upper bound of each alpha, above 0: C, times the row's weight if it has one.
        gamma: of the kernel exp(-gamma |a - b|^2).
        tolerance: of the optimality conditions, as SVC's ``tol``.
        limit: of the iterations; a ConvergenceWarning names the pairs that reach it.

    Raises:
        MemoryError: the Gram matrix does not fit.
    """
    pairs = list(combinations(range(int(columns.max()) + 1), 2))
    index, sign = _padded(columns, pairs)
    bound = np.abs(sign) * bounds[index].astype(np.float32)
    try:
        solved = _solve_pairs(kernel(rows, rows, gamma), index, sign, bound, tolerance, limit)
        beta, intercept, gap, iterations = (np.asarray(part) for part in solved)
    except jax.errors.JaxRuntimeError as error:
        if not any(words in str(error) for words in ("RESOURCE_EXHAUSTED", "Out of memory")):
            raise
        raise MemoryError(
            f"the Gram matrix of {len(rows):,} rows takes {4e-9 * len(rows) ** 2:,.1f} GB, which "
            f"{jax.devices()[0].device_kind} does not have free; take engine=sklearnex or sklearn"
        ) from None
    _warn(pairs, gap > tolerance, limit)
    coefficients = np.zeros((len(rows), len(pairs)), np.float32)
    for pair, (chosen, real) in enumerate(zip(index, sign != 0, strict=True)):
        coefficients[chosen[real], pair] = beta[pair, real]
    return Solution(coefficients, intercept.astype(np.float64), gap, iterations)


@jax.jit
def kernel(left: jax.Array, right: jax.Array, gamma: float) -> jax.Array:
    """(N, D), (M, D) -> (N, M) exp(-gamma |a - b|^2), in true float32: the TF32 of a GPU would move the predictions."""
    squared = (left**2).sum(1)[:, None] + (right**2).sum(1) - 2 * jnp.dot(left, right.T, precision="highest")
    return jnp.exp(-gamma * jnp.maximum(squared, 0))


@jax.jit
def decide(rows: jax.Array, vectors: jax.Array, coefficients: jax.Array, gamma: float) -> jax.Array:
    """(N, D) rows, (S, D) support vectors, (S, P) -> (N, P) decisions, less the intercepts."""
    return jnp.dot(kernel(rows, vectors, gamma), coefficients, precision="highest")


def _padded(columns: np.ndarray, pairs: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """The rows of each pair (P, W) int32 and their signs (P, W) float32: 1, -1, or 0 where padded."""
    members = [np.concatenate([np.flatnonzero(columns == column) for column in pair]) for pair in pairs]
    index = np.zeros((len(pairs), max(map(len, members))), np.int32)
    sign = np.zeros(index.shape, np.float32)
    for pair, (chosen, (first, _)) in enumerate(zip(members, pairs, strict=True)):
        index[pair, : len(chosen)] = chosen
        sign[pair, : len(chosen)] = np.where(columns[chosen] == first, 1, -1)
    return index, sign


@jax.jit
@partial(jax.vmap, in_axes=(None, 0, 0, 0, None, None))
def _solve_pairs(
    gram: jax.Array, index: jax.Array, sign: jax.Array, bound: jax.Array, tolerance: float, limit: int
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """One pair (vmap adds the others): beta = y x alpha (W,), intercept, gap, iterations.

    Maximises y.beta - beta.K.beta / 2 over lower <= beta <= upper, sum(beta) = 0. ``slope`` is the gradient y - K.beta.
    """
    upper, lower = jnp.where(sign > 0, bound, 0), jnp.where(sign < 0, -bound, 0)

    def extremes(beta: jax.Array, slope: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """The row that should rise most, its slope, and the least slope of a row that can fall."""
        rising = jnp.where(beta < upper, slope, -jnp.inf)
        i = jnp.argmax(rising)
        return i, rising[i], jnp.min(jnp.where(beta > lower, slope, jnp.inf))

    def step(state: tuple) -> tuple:
        beta, slope, i, top, _, count = state
        to_i = gram[index[i]][index]
        gain, curvature = top - slope, jnp.maximum(2 - 2 * to_i, TINY)
        j = jnp.argmax(jnp.where((beta > lower) & (gain > 0), gain**2 / curvature, -1))
        room_i, room_j = upper[i] - beta[i], beta[j] - lower[j]
        move = jnp.minimum(gain[j] / curvature[j], jnp.minimum(room_i, room_j))
        # A row that reaches its bound lies exactly on it, or rounding would leave it a candidate for ever.
        new_i = jnp.where(move == room_i, upper[i], beta[i] + move)
        new_j = jnp.where(move == room_j, lower[j], beta[j] - move)
        beta = beta.at[i].set(new_i).at[j].set(new_j)
        slope = slope - move * (to_i - gram[index[j]][index])
        return beta, slope, *extremes(beta, slope), count + 1

    def unfinished(state: tuple) -> jax.Array:
        _, _, _, top, bottom, count = state
        return (top - bottom > tolerance) & (count < limit)

    start = jnp.zeros_like(sign)
    beta, slope, _, top, bottom, count = jax.lax.while_loop(unfinished, step, (start, sign, *extremes(start, sign), 0))
    free = (beta < upper) & (beta > lower)
    mean = jnp.where(free, slope, 0).sum() / jnp.maximum(free.sum(), 1)
    return beta, jnp.where(free.any(), mean, (top + bottom) / 2), top - bottom, count


def _warn(pairs: list[tuple[int, int]], unfinished: np.ndarray, limit: int) -> None:
    if not unfinished.any():
        return
    from sklearn.exceptions import ConvergenceWarning

    named = ", ".join(f"{pairs[p][0]}-{pairs[p][1]}" for p in np.flatnonzero(unfinished))
    warnings.warn(
        f"the SVM stopped at {limit:,} iterations before it converged, in {unfinished.sum()} of {len(pairs)} pairs "
        f"of classes ({named}); scale the features, or take a smaller C",
        ConvergenceWarning,
        stacklevel=2,
    )
