"""Which MCP server for a task: one, an order to try them in, or a set."""

import re
from collections.abc import Mapping, Sequence

from optimizer.cost_benefit.analysis import (
    ChainView,
    McpSelectionAnalysis,
    Recommendation,
    SetView,
    Status,
)
from optimizer.cost_benefit.candidate import Candidate, weigh
from optimizer.cost_benefit.capabilities import offers
from optimizer.cost_benefit.chain import Link, best_chain
from optimizer.cost_benefit.cover import Server, best_cover
from optimizer.cost_benefit.descriptor import NOT_READ
from optimizer.cost_benefit.draws import Stake, probability_best
from optimizer.cost_benefit.figure import rounded
from optimizer.cost_benefit.option import Option
from optimizer.cost_benefit.pareto import dominated_by
from optimizer.cost_benefit.relevance import Match, match_all
from optimizer.cost_benefit.requirements import Requirements
from optimizer.cost_benefit.sensitivity import break_even, limit_switch_points, switch_points
from optimizer.cost_benefit.utility import Coefficients, coefficients
from optimizer.cost_benefit.views import option_view, recommendation, rejection

MAX_ALTERNATIVES = 5
MAX_NOT_USED = 4
"""Fields that are named."""
MAX_COMPARED = 50
"""Candidates whose probability to be best is drawn; those behind have next to none."""

_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")


def select_mcp_servers(
    options: Sequence[Option], requirements: Requirements
) -> McpSelectionAnalysis:
    """Choose among MCP servers.

    Every candidate is scored in dollars from its own data, so the order of the candidates and the
    presence of others change no score and no order. Limits reject first; a candidate whose limits
    could not all be checked comes after those whose could.

    Args:
        options: The candidates, with what was measured about them.
        requirements: The task.

    Returns:
        The analysis; `recommendations.primary_recommendation.mcp_id` is the answer.
    """
    task = coefficients(requirements)
    ranked = _rank(options, requirements, task)
    allowed = [candidate for candidate in ranked if not candidate.broken]
    rejected = [candidate for candidate in ranked if candidate.broken]
    contenders = [c for c in allowed if bool(c.unchecked) == bool(allowed[0].unchecked)]
    stakes = [_stake(candidate, task) for candidate in contenders[:MAX_COMPARED]]
    chances = probability_best(stakes, seed=requirements.seed)
    dominators = dominated_by({c.id: _criteria(c) for c in ranked})
    winner = allowed[0] if allowed else None
    chain = (
        _chain(contenders, requirements, task) if requirements.mode == "fallback_chain" else None
    )
    cover = _cover(allowed, requirements, task) if requirements.mode == "set" else None
    primary = _primary(winner, ranked, chances, chain, cover)
    is_one = winner is not None and cover is None
    points = switch_points(winner, contenders[1:], task) if winner is not None and is_one else []
    limits = limit_switch_points(winner, rejected) if is_one else []
    return {
        "kind": "mcp",
        "status": _status(winner, ranked, cover),
        "mode": requirements.mode,
        "recommendations": {
            "primary_recommendation": primary,
            "alternatives": [
                recommendation(c, chances) for c in _others(allowed, primary["mcp_id"], cover)
            ][:MAX_ALTERNATIVES],
            "fallback_chain": chain,
            "set": cover,
        },
        "options": [
            option_view(c, place, chances, dominators) for place, c in enumerate(ranked, start=1)
        ],
        "pareto_set": sorted(c.id for c in ranked if dominators[c.id] is None),
        "rejected": [rejection(c) for c in rejected],
        "switch_points": [point.view() for point in (*points, *limits)],
        "assumptions": [
            {"name": a.name, "value": a.value, "unit": a.unit, "source": a.source}
            for a in requirements.assumptions()
        ],
        "unknown": _unknown(requirements),
        "warnings": [*_warnings(winner, contenders, requirements), *_not_used(options)],
    }


def _rank(
    options: Sequence[Option], requirements: Requirements, task: Coefficients
) -> list[Candidate]:
    """The options weighed, best first."""
    matches: list[Match | None] = [None] * len(options)
    if requirements.task and not requirements.is_by_parts:
        matches = [*match_all(requirements.task, options)]
    offered = offers(options, requirements.needed)
    weighed = (
        weigh(option, requirements, task, matched=matched, offers=offer)
        for option, matched, offer in zip(options, matches, offered, strict=True)
    )
    return sorted(weighed, key=lambda candidate: candidate.order)


def _stake(candidate: Candidate, task: Coefficients) -> Stake:
    return Stake(
        id=candidate.id,
        gain=task.value_usd * candidate.beliefs.relevance,
        cost=candidate.terms.cost,
        quality=candidate.quality,
        success=candidate.reliability,
    )


def _criteria(candidate: Candidate) -> list[float | None]:
    """What options are compared on, more is better."""
    option = candidate.option
    costs = (option.cost_usd.value, option.context_tokens.value, option.latency_ms.value)
    return [
        *(None if cost is None else -cost for cost in costs),
        candidate.reliability.lower,
        option.performance.value,
        candidate.beliefs.relevance,
    ]


def _status(winner: Candidate | None, ranked: Sequence[Candidate], cover: SetView | None) -> Status:
    if winner is None:
        only_words = all(
            any(check.limit == "min_relevance" for check in candidate.broken)
            for candidate in ranked
        )
        return "nothing_fits" if only_words else "all_rejected"
    if cover is not None and cover["missing"]:
        return "not_covered"
    return "chosen"


def _primary(
    winner: Candidate | None,
    ranked: Sequence[Candidate],
    chances: Mapping[str, float],
    chain: ChainView | None,
    cover: SetView | None,
) -> Recommendation:
    if winner is None:
        return _none(_why_none(ranked))
    if cover is not None and not cover["mcp_ids"]:
        return _none(f"no set within the limits offers {', '.join(cover['missing'])}")
    by_id = {candidate.id: candidate for candidate in ranked}
    if chain is not None and chain["mcp_ids"]:
        return recommendation(by_id[chain["mcp_ids"][0]], chances)
    if cover is not None and cover["mcp_ids"]:
        members = (by_id[identifier] for identifier in cover["mcp_ids"])
        return recommendation(min(members, key=lambda c: c.order), chances)
    return recommendation(winner, chances)


def _none(reason: str) -> Recommendation:
    return {
        "mcp_id": None,
        "net_usd": None,
        "p_success": None,
        "probability_best": None,
        "reason": reason,
        "tools": [],
    }


def _others(
    allowed: Sequence[Candidate], primary: str | None, cover: SetView | None
) -> list[Candidate]:
    """Who else could be used; beside a set those that offer something that it has to cover."""
    if cover is None:
        return [candidate for candidate in allowed if candidate.id != primary]
    return [c for c in allowed if c.offers and c.id not in cover["mcp_ids"]]


def _why_none(ranked: Sequence[Candidate]) -> str:
    nearest = ranked[0]
    reasons = "; ".join(f"{check.limit}: {check.reason}" for check in nearest.broken)
    return f"every candidate is rejected; the nearest is {nearest.id} ({reasons})"


def _chain(
    allowed: Sequence[Candidate], requirements: Requirements, task: Coefficients
) -> ChainView:
    links = [
        Link(
            id=c.id,
            success=c.beliefs.relevance * c.beliefs.quality * c.beliefs.success,
            cost=c.terms.cost,
            spend=c.terms.calls,
        )
        for c in allowed
    ]
    chain = best_chain(links, value_usd=task.value_usd, budget_usd=requirements.budget_usd_per_task)
    return {
        "mcp_ids": list(chain.ids),
        "net_usd": rounded(chain.value),
        "p_success": rounded(chain.success),
        "spend_usd_if_all_tried": rounded(chain.spend),
    }


def _cover(allowed: Sequence[Candidate], requirements: Requirements, task: Coefficients) -> SetView:
    """Each capability is an equal share of the task, done by the member that serves it."""
    needed = tuple(dict.fromkeys(requirements.needed))
    servers = [_member(candidate, task, share=1 / len(needed)) for candidate in allowed]
    cover = best_cover(
        needed,
        servers,
        max_tokens=requirements.max_context_tokens,
        budget_usd=requirements.budget_usd_per_task,
    )
    chosen = set(cover.ids)
    by_id = {candidate.id: candidate for candidate in allowed}
    served = [by_id[server].chance_of(need) for need, server in cover.serves.items()]
    return {
        "mcp_ids": list(cover.ids),
        "serves": dict(cover.serves),
        "missing": list(cover.missing),
        "net_usd": rounded(cover.value),
        "p_success": rounded(sum(served) / len(needed)),
        "context_tokens": rounded(sum(s.tokens for s in servers if s.id in chosen)),
    }


def _member(candidate: Candidate, task: Coefficients, *, share: float) -> Server:
    """A candidate as a member of a set that does `share` of the task for each capability."""
    terms, tokens = candidate.terms, candidate.option.context_tokens.value or 0.0
    tool_list = task.context_usd_per_token * tokens * task.turns
    calls = terms.calls + terms.waiting + terms.context - tool_list
    return Server(
        id=candidate.id,
        gains={
            capability: share * (offer.chance * terms.benefit - calls)
            for capability, offer in candidate.offers.items()
        },
        fixed_cost=tool_list + terms.startup,
        tokens=tokens,
        spends=dict.fromkeys(candidate.offers, share * terms.calls),
    )


def _unknown(requirements: Requirements) -> dict[str, str]:
    if requirements.task:
        return {}
    return {"relevance": "no task text was given, so every candidate is taken to fit"}


def _not_used(options: Sequence[Option]) -> list[str]:
    """Fields that meant something and were not read; a name that is no word is not quoted."""
    without: dict[tuple[str, str], list[str]] = {}
    for option in options:
        for name, why in option.not_used.items():
            if _FIELD.fullmatch(name) and why != NOT_READ:
                without.setdefault((name, why), []).append(option.id)
    return [
        f"{name} of {_first_of(ids)} is not used: {why}"
        for (name, why), ids in sorted(without.items())[:MAX_NOT_USED]
    ]


def _first_of(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - 1} more" if len(ids) > 1 else ""
    return f"{min(ids)}{more}"


def _warnings(
    winner: Candidate | None, contenders: Sequence[Candidate], requirements: Requirements
) -> list[str]:
    if winner is None:
        return []
    warnings = [
        f"{winner.id}: {check.limit} {check.reason}, so it may break the limit"
        for check in winner.unchecked
    ]
    if winner.terms.net <= 0:
        warnings.append(
            f"no candidate is worth its cost at a value of {requirements.value_usd:.3g} USD; "
            "raise value_of_success_usd if the task is worth more"
        )
    if len(contenders) > 1 and requirements.mode != "set":
        limit = break_even(winner, contenders[1], requirements.calls)
        if limit is not None:
            warnings.append(
                f"what {winner.id} costs is not known; it stays ahead of {contenders[1].id} while "
                f"a call costs less than {limit:.3g} USD"
            )
    return warnings
