"""Mixed-integer programs through HiGHS: at most so much of each row, and as much value as possible.

A solver says "optimal" within its tolerances, not exactly: whoever asks counts what was chosen
again in whole parts before acting on it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.statistics import FloatArray

TOLERANCE = 1e-10
"""The least that HiGHS takes; its own 1e-6 is larger than a part of a scaled row."""

LARGE = 2.0**20
"""Rows with larger bounds are scaled, by a power of two so that no coefficient is rounded."""


@dataclass(frozen=True)
class Program:
    """Maximise `values @ x` where `low <= rows @ x <= high` and `0 <= x <= 1`.

    Attributes:
        values: What one of each variable is worth, shape (n,).
        rows: Dense coefficients, shape (m, n).
        low: Least of each row, shape (m,); -inf for none.
        high: Most of each row, shape (m,).
        is_whole: Which variables are 0 or 1, shape (n,); the others lie between.
    """

    values: FloatArray
    rows: FloatArray
    low: FloatArray
    high: FloatArray
    is_whole: NDArray[np.bool_]


@dataclass(frozen=True)
class Solution:
    """The best that was found.

    Attributes:
        x: The variables, shape (n,).
        is_proven: Whether nothing better than the asked gap exists, within tolerances.
        prices: What one more unit of each row would be worth; only of a program without whole
            variables, else zeros. Shape (m,).
    """

    x: FloatArray
    is_proven: bool
    prices: FloatArray


_BOUND_FIRST = (
    ("mip_allow_restart", False),
    ("mip_detect_symmetry", False),
    ("mip_heuristic_effort", 0.0),
    ("mip_heuristic_run_feasibility_jump", False),
    ("mip_heuristic_run_rens", False),
    ("mip_heuristic_run_rins", False),
)


def maximise(
    program: Program, *, gap: float, limit_s: float, bound_first: bool = False
) -> Solution | None:
    """Solve on one thread.

    Args:
        program: What to solve.
        gap: Relative distance to the optimum that is good enough; 0 asks for the optimum.
        limit_s: Seconds after which the best solution so far is answered.
        bound_first: For programs of some hundred variables whose bound is nearly the optimum: no
            time goes into guessing solutions, restarts and symmetry.

    Returns:
        The solution; None when there is none, or none was found in time.
    """
    import highspy
    from highspy import _core

    rows, low, high, scale = _scaled(program)
    solver = _core._Highs()  # the class around it greets on stdout, which may carry MCP
    for name, value in (
        ("output_flag", False),
        ("threads", 1),
        ("mip_rel_gap", gap),
        ("mip_abs_gap", 0.0),
        ("mip_feasibility_tolerance", TOLERANCE),
        ("primal_feasibility_tolerance", TOLERANCE),
        ("dual_feasibility_tolerance", TOLERANCE),
        ("time_limit", limit_s),
        *(_BOUND_FIRST if bound_first else ()),
    ):
        solver.setOptionValue(name, value)
    at_row, at_column = np.nonzero(rows)
    model = highspy.HighsLp()
    model.num_row_, model.num_col_ = rows.shape
    model.col_cost_ = -program.values
    model.col_lower_ = np.zeros(program.values.size)
    model.col_upper_ = np.ones(program.values.size)
    model.row_lower_, model.row_upper_ = low, high
    model.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    model.a_matrix_.start_ = np.searchsorted(at_row, np.arange(rows.shape[0] + 1))
    model.a_matrix_.index_ = at_column
    model.a_matrix_.value_ = rows[at_row, at_column]
    if program.is_whole.any():
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        model.integrality_ = [kinds[whole] for whole in program.is_whole.astype(int)]
    solver.passModel(model)
    solver.run()
    if solver.getModelStatus() == highspy.HighsModelStatus.kSolveError:  # its presolve can fail
        solver.setOptionValue("presolve", "off")
        solver.clearSolver()
        solver.run()
    if solver.getInfo().primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
        return None
    found = solver.getSolution()
    prices = np.zeros(rows.shape[0]) if program.is_whole.any() else -np.asarray(found.row_dual)
    return Solution(
        x=np.clip(np.asarray(found.col_value), 0.0, 1.0),
        is_proven=solver.getModelStatus() == highspy.HighsModelStatus.kOptimal,
        prices=prices / scale,
    )


def _scaled(program: Program) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Rows and bounds near 1 where they are large, and by what each row was divided."""
    size = np.maximum(np.where(np.isfinite(program.high), np.abs(program.high), 0.0), 1.0)
    scale = np.where(size > LARGE, np.exp2(np.floor(np.log2(size))), 1.0)
    return (
        program.rows / scale[:, None],
        program.low / scale,
        program.high / scale,
        scale,
    )
