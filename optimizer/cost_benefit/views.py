"""Weighed candidates as answers show them."""

from collections.abc import Mapping

from optimizer.cost_benefit.analysis import OptionView, Recommendation, Rejection
from optimizer.cost_benefit.candidate import Candidate
from optimizer.cost_benefit.figure import rounded
from optimizer.cost_benefit.posterior import view_reliability


def recommendation(candidate: Candidate, chances: Mapping[str, float]) -> Recommendation:
    """A candidate that could be used, for an answer."""
    return {
        "mcp_id": candidate.id,
        "net_usd": rounded(candidate.terms.net),
        "p_success": rounded(candidate.reliability.mean),
        "probability_best": rounded(chances.get(candidate.id)),
        "reason": explain(candidate),
        "tools": list(candidate.match.tools) if candidate.match else [],
    }


def explain(candidate: Candidate) -> str:
    """One sentence from the terms of the utility."""
    terms, beliefs = candidate.terms, candidate.beliefs
    fit = "" if candidate.match is None else f"fit {beliefs.relevance:.2f} x "
    is_fit_unknown = any(check.limit == "min_relevance" for check in candidate.unchecked)
    if_so = " if it fits the task, which is not known" if is_fit_unknown else ""
    costs = [
        f"{usd:.3g} USD {name}"
        for name, usd in (
            ("for calls", terms.calls),
            ("of waiting", terms.waiting),
            ("of context", terms.context),
            ("of start-up", terms.startup),
        )
        if usd > 0
    ]
    less = f", less {', '.join(costs)}" if costs else ""
    return (
        f"worth {terms.net:.3g} USD{if_so}: a benefit of {terms.benefit:.3g} ({fit}quality "
        f"{beliefs.quality:.2f} x success {beliefs.success:.2f}){less}"
    )


def option_view(
    candidate: Candidate,
    place: int,
    chances: Mapping[str, float],
    dominators: Mapping[str, str | None],
) -> OptionView:
    """A candidate with its figures and their sources, for an answer."""
    option, terms = candidate.option, candidate.terms
    quality = candidate.quality
    return {
        "mcp_id": candidate.id,
        "rank": place,
        "net_usd": rounded(terms.net),
        "terms": {
            "benefit": rounded(terms.benefit),
            "calls": rounded(terms.calls),
            "waiting": rounded(terms.waiting),
            "context": rounded(terms.context),
            "startup": rounded(terms.startup),
        },
        "relevance": rounded(candidate.beliefs.relevance) if candidate.match else None,
        "quality": {
            "value": rounded(quality.mean),
            "unit": "of 1",
            "source": quality.source,
        },
        "performance": option.performance.view(),
        "reliability": view_reliability(option, candidate.reliability),
        "cost_usd": option.cost_usd.view(),
        "latency_ms": option.latency_ms.view(),
        "context_tokens": option.context_tokens.view(),
        "startup_ms": option.startup_ms.view(),
        "resident_bytes": option.resident_bytes.view(),
        "probability_best": rounded(chances.get(candidate.id)),
        "dominated_by": dominators[candidate.id],
        "checks": [check.view() for check in candidate.checks],
        "tools": list(candidate.match.tools) if candidate.match else [],
        "unknown": {**terms.unknown, **option.not_used},
    }


def rejection(candidate: Candidate) -> Rejection:
    """A candidate that limits reject, with every reason, for an answer."""
    first = candidate.broken[0]
    reason = first.reason
    if len(candidate.broken) > 1:
        reason = "; ".join(f"{check.limit}: {check.reason}" for check in candidate.broken)
    return {"mcp_id": candidate.id, "limit": first.limit, "reason": reason}
