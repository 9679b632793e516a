"""Questions that the tests of this room ask."""

from optimizer.thinking.question import Candidate, Dropped, Question


def question(
    decision_id: str = "d-1", *, candidates: int = 3, dropped: int = 0, canary: str = ""
) -> Question:
    return Question(
        decision_id=decision_id,
        topic="optimization",
        situation=(f"cpu_usage is 71.5 % of 8 cores. {canary}", "memory_usage is 40.2 %."),
        outlook=("The 0.9 quantile of cpu_usage peaks at 88.1 % in 5 h.",),
        candidates=tuple(
            Candidate(
                id=f"c{rank}",
                summary=f"cpu x{1 + rank}",
                figures={"cost_usd_month": 40.0 + 10 * rank, "latency_ms": 20.0, "risk": None},
            )
            for rank in range(candidates)
        ),
        dropped=tuple(
            Dropped(id=f"x{rank}", reason=f"cost {60 + rank} USD > max_cost 50 USD")
            for rank in range(dropped)
        ),
        chosen_because="cheapest of those with reliability 0.99 >= 0.95",
    )
