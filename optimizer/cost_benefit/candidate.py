"""An option weighed for one task: its beliefs, its terms, and the limits held against it."""

from dataclasses import dataclass

from optimizer.cost_benefit.capabilities import Offers
from optimizer.cost_benefit.draws import draw_success
from optimizer.cost_benefit.limits import Check, check_limits
from optimizer.cost_benefit.option import Option
from optimizer.cost_benefit.posterior import BetaBelief, quality, reliability
from optimizer.cost_benefit.relevance import Match, probability_of_fit
from optimizer.cost_benefit.requirements import Requirements
from optimizer.cost_benefit.utility import Beliefs, Coefficients, Terms, utility

DEFAULT_MIN_RELEVANCE = 0.05
"""The chance of a blind pick among 20: below it, the words speak against an option."""


@dataclass(frozen=True)
class Candidate:
    """An option and all that is computed from it alone for a task.

    Attributes:
        option: The option.
        match: How the task's words fit it; None when it has none, or the option says nothing.
        reliability: Belief about the success of a call.
        quality: Belief about the quality of its answers.
        beliefs: The shares that the utility uses, after the risk attitude.
        terms: The utility.
        checks: Every limit held against it.
        offers: Required capabilities that it offers.
    """

    option: Option
    match: Match | None
    reliability: BetaBelief
    quality: BetaBelief
    beliefs: Beliefs
    terms: Terms
    checks: tuple[Check, ...]
    offers: Offers

    @property
    def id(self) -> str:
        """The option's id."""
        return self.option.id

    @property
    def broken(self) -> list[Check]:
        """Limits that reject it."""
        return [check for check in self.checks if check.held is False]

    @property
    def unchecked(self) -> list[Check]:
        """Limits that could not be held against it, because a figure is not known."""
        return [check for check in self.checks if check.held is None]

    def chance_of(self, need: str) -> float:
        """The probability that a call does what a needed capability is there for."""
        beliefs = self.beliefs
        return self.offers[need].chance * beliefs.relevance * beliefs.quality * beliefs.success

    @property
    def order(self) -> tuple[bool, bool, float, str]:
        """Sorts the best first: allowed, fully checked, worth most, and then by id."""
        return bool(self.broken), bool(self.unchecked), -self.terms.net, self.id


def weigh(
    option: Option,
    requirements: Requirements,
    task: Coefficients,
    *,
    matched: Match | None,
    offers: Offers,
) -> Candidate:
    """Weigh an option for a task.

    Args:
        option: The option, with what was measured.
        requirements: The task.
        task: Its coefficients.
        matched: How its words fit the option; None when it has none.
        offers: Required capabilities that the option offers.
    """
    if matched is not None and matched.score == 0 and not option.has_text:
        matched = None
    success, good = reliability(option), quality(option)
    fits = 1.0 if matched is None else probability_of_fit(matched.score)
    missing = tuple(need for need in requirements.needed if need not in offers)
    checks = check_limits(
        option,
        requirements,
        reliability_lower=success.lower if requirements.min_reliability is not None else 0.0,
        missing_capabilities=missing,
    )
    if requirements.task and not requirements.is_by_parts:
        checks.append(_relevance_check(matched, fits, requirements))
    beliefs = Beliefs(fits, good.mean, _success(option, success, requirements))
    return Candidate(
        option=option,
        match=matched,
        reliability=success,
        quality=good,
        beliefs=beliefs,
        terms=utility(option, beliefs, task),
        checks=tuple(checks),
        offers=offers,
    )


def _success(option: Option, belief: BetaBelief, requirements: Requirements) -> float:
    if requirements.risk == "cautious":
        return belief.lower
    if requirements.risk == "explore":
        return draw_success(option.id, belief, seed=requirements.seed)
    return belief.mean


def _relevance_check(matched: Match | None, fits: float, requirements: Requirements) -> Check:
    least = requirements.min_relevance
    allowed = DEFAULT_MIN_RELEVANCE if least is None else least
    if matched is None:
        reason = "cannot be checked: there is neither a description nor a tool list"
        return Check("min_relevance", allowed, None, None, reason)
    held = fits >= allowed
    comparison = "reaches" if held else "is below"
    reason = f"chance of fitting the task by its words, {fits:.2g}, {comparison} {allowed:g}"
    return Check("min_relevance", allowed, fits, held, reason)
