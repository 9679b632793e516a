"""Thinking with a language model: the table of failures, row by row, over real HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial

import anyio
import pytest

from optimizer.errors import ConfigurationError
from optimizer.mcp_client.process import Command
from optimizer.thinking.breaker import CircuitBreaker
from optimizer.thinking.llm import OPENROUTER, LanguageModel, RateLimit, Upstream
from optimizer.thinking.mind import Mind, mind_at
from optimizer.thinking.question import Question, Thought, Verdict
from optimizer.thinking.remote import RemoteScratchpad
from optimizer.thinking.scratchpad import EmbeddedScratchpad, Scratchpad
from optimizer.thinking.spending import Allowance
from optimizer.thinking.thinker import Judge, Thinker
from tests.loop_time import pass_by
from tests.upstream import Act, Seen, chooses, fails, says, upstream

from .questions import question

BUDGET = timedelta(seconds=100)
PATIENT = Allowance(call_within=BUDGET)

TOO_LATE = Act(hangs=True, on_play=partial(pass_by, 80))
"""Hangs until the model's share of the budget is over, and the budget is not."""

pytest.importorskip("openai", reason="its import takes half a second, too long for short budgets")


@dataclass
class LedgerPurse:
    """Keeps what was reserved and settled."""

    tokens: int = 10_000
    reserved: dict[str, tuple[int, float]] = field(default_factory=dict)
    settled: list[tuple[int, float, bool]] = field(default_factory=list)

    async def reserve(self, decision_id: str, *, tokens: int, usd: float) -> str | None:
        if tokens > self.tokens:
            return None
        name = f"{decision_id}/{len(self.reserved) + len(self.settled)}"
        self.reserved[name] = (tokens, usd)
        return name

    async def settle(
        self, reservation: str, *, tokens: int, usd: float, is_estimated: bool
    ) -> None:
        del self.reserved[reservation]
        self.settled.append((tokens, usd, is_estimated))


@dataclass
class Played:
    """What a script led to."""

    verdict: Verdict
    seen: Seen
    purse: LedgerPurse
    slept: list[float]
    told: list[Thought]

    @property
    def path(self) -> str:
        return self.verdict.reasoning.path


async def play(
    acts: Sequence[Act],
    *,
    asked: Question | None = None,
    budget: timedelta = BUDGET,
    scratchpad: Scratchpad | None = None,
    purse: LedgerPurse | None = None,
    allowance: Allowance | None = None,
    judge: Judge | None = None,
) -> Played:
    """Think one question over with a scripted model."""
    purse, slept, told = purse or LedgerPurse(), [], []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def tell(thought: Thought) -> None:
        told.append(thought)

    async with upstream(acts) as seen:
        model = LanguageModel(Upstream(base_url=seen.url, model="m", key="sk-canary"))
        mind = Mind(
            model, purse=purse, allowance=allowance or PATIENT, sleep=sleep, jitter=lambda: 0.5
        )
        async with Thinker(scratchpad or EmbeddedScratchpad(), mind=mind) as thinker:
            with anyio.fail_after(600):
                verdict = await thinker.think(
                    asked or question(), budget=budget, on_thought=tell, judge=judge
                )
    assert not purse.reserved
    return Played(verdict, seen, purse, slept, told)


async def test_all_well_the_model_chooses_and_its_thought_is_in_the_chain() -> None:
    played = await play([chooses("c1", thought="The window\nends at 6.")])

    reasoning = played.verdict.reasoning
    assert played.verdict.candidate_id == "c1"
    assert played.path == "llm+scratchpad+solver"
    assert reasoning.scratchpad == "embedded"
    assert (reasoning.model, reasoning.prompt) == ("scripted", "choose.v2")
    assert (reasoning.tokens, reasoning.usd, reasoning.is_estimated) == (150, 0.001, False)
    assert (reasoning.agrees_with_solver, reasoning.model_choice) == (False, "c1")
    assert [(t.kind, t.author) for t in reasoning.thoughts[-2:]] == [
        ("evaluate", "model"),
        ("conclude", "solver"),
    ]
    assert reasoning.thoughts[-2].text == "The window ends at 6."
    assert reasoning.thoughts[-1].text.startswith("c1 stands")
    assert tuple(played.told) == reasoning.thoughts
    assert played.purse.settled == [(150, 0.001, False)]


async def test_the_request_carries_schema_limits_key_and_title() -> None:
    played = await play([chooses("c0")])

    [request], [headers] = played.seen.requests, played.seen.headers
    assert request["response_format"]["json_schema"]["strict"] is True
    assert request["max_tokens"] == 160
    assert headers["authorization"] == "Bearer sk-canary"
    assert headers["x-title"] == "Sequential Resource Optimization"
    assert "sk-canary" not in played.seen.prompts


async def test_a_model_may_think_four_times_and_no_more() -> None:
    allowance = replace(PATIENT, tokens=20_000)
    played = await play([chooses("c1", more=True)], allowance=allowance)

    assert len(played.seen.requests) == 4
    assert played.path == "llm+scratchpad+solver"
    assert played.verdict.reasoning.tokens == 600
    assert played.verdict.reasoning.usd == pytest.approx(0.004)


async def test_a_model_stops_when_the_next_thought_is_not_affordable() -> None:
    played = await play([chooses("c1", more=True)], allowance=replace(PATIENT, tokens=1000))

    assert 1 <= len(played.seen.requests) < 4
    assert played.verdict.candidate_id == "c1"


@pytest.mark.parametrize(
    ("acts", "path", "requests"),
    [
        ([fails("401 Unauthorized")], "solver_only:auth", 1),
        ([fails("403 Forbidden")], "solver_only:auth", 1),
        ([fails("402 Payment Required")], "solver_only:credits", 1),
        ([fails("429 Too Many Requests")], "solver_only:rate_limited", 1),
        ([fails("429 Too Many Requests", Retry_After="3600")], "solver_only:rate_limited", 1),
        ([fails("429 Too Many Requests", Retry_After="1")], "solver_only:rate_limited", 2),
        ([fails("402 Payment Required", Retry_After="1")], "solver_only:rate_limited", 2),
        ([fails("503 Busy", Retry_After="1")], "solver_only:rate_limited", 2),
        ([fails("408 Request Timeout")], "solver_only:upstream", 2),
        ([fails("500 Error")], "solver_only:upstream", 2),
        ([fails("502 Bad Gateway")], "solver_only:upstream", 2),
        ([Act(closes=True)], "solver_only:upstream", 2),
        ([Act(body="<html>gateway</html>")], "solver_only:upstream", 2),
        ([says("{}" + " " * 2_000_000)], "solver_only:upstream", 2),
        ([Act(body={"error": {"code": 502, "message": "in a 200"}})], "solver_only:upstream", 2),
        ([Act(body={"error": {"code": 402, "message": "in a 200"}})], "solver_only:credits", 1),
        ([fails("404 Not Found")], "solver_only:rejected", 1),
        ([says("no JSON at all")], "solver_only:invalid_output", 2),
        ([says('{"thought": "cut', finish_reason="length")], "solver_only:invalid_output", 2),
        ([fails("429 No", Retry_After="1"), chooses("c1")], "llm_after_retry", 2),
        ([fails("503 No", Retry_After="1"), chooses("c1")], "llm_after_retry", 2),
        ([fails("502 Bad Gateway"), chooses("c1")], "llm_after_retry", 2),
        ([Act(closes=True), chooses("c1")], "llm_after_retry", 2),
        ([says("no JSON"), chooses("c1")], "llm+scratchpad+solver", 2),
        ([says("{", finish_reason="length"), chooses("c1")], "llm+scratchpad+solver", 2),
        ([chooses("c7")], "solver_overrode_llm", 1),
    ],
)
async def test_each_failure_is_answered_with_the_truth(
    acts: list[Act], path: str, requests: int
) -> None:
    played = await play(acts)

    assert played.path == path
    assert len(played.seen.requests) == requests
    assert played.verdict.candidate_id == ("c1" if path.startswith("llm") else "c0")
    assert played.verdict.reasoning.thoughts[-1].text.startswith(
        f"{played.verdict.candidate_id} stands"
    )
    assert len(played.purse.settled) == requests


@pytest.mark.parametrize("act", [TOO_LATE, replace(TOO_LATE, hangs=False, drips=True)])
async def test_a_hanging_or_dripping_model_is_cut_off_at_its_share_of_the_budget(act: Act) -> None:
    played = await play([act])

    assert played.path == "solver_only:timeout"
    assert played.verdict.candidate_id == "c0"
    assert played.verdict.reasoning.thoughts[-1].kind == "conclude"
    [(tokens, usd, is_estimated)] = played.purse.settled
    assert tokens > 0
    assert usd > 0
    assert is_estimated
    assert played.verdict.reasoning.tokens == tokens
    assert played.verdict.reasoning.usd is None
    assert played.verdict.reasoning.is_estimated
    assert played.verdict.reasoning.warnings == ()


async def test_one_request_may_not_take_more_than_its_own_deadline() -> None:
    late = Act(hangs=True, on_play=partial(pass_by, 20))

    played = await play([late], allowance=Allowance(call_within=timedelta(seconds=10)))

    assert played.path == "solver_only:timeout"


async def test_thoughts_before_a_deadline_are_kept_and_the_solver_chooses() -> None:
    played = await play([chooses("c1", more=True), TOO_LATE])

    assert played.path == "solver_only:timeout"
    assert played.verdict.candidate_id == "c0"
    authors = [thought.author for thought in played.verdict.reasoning.thoughts]
    assert authors.count("model") == 1


async def test_a_second_attempt_waits_as_long_as_the_server_says_or_a_jitter() -> None:
    asked_to_wait = await play([fails("429 No", Retry_After="2"), chooses("c1")])
    broken = await play([fails("500 Error"), chooses("c1")])

    assert asked_to_wait.slept == [2.0]
    assert broken.slept == [pytest.approx(0.25)]


async def test_a_refused_request_costs_nothing_and_a_broken_one_its_reservation() -> None:
    refused = await play([fails("429 No", Retry_After="1"), chooses("c1")])
    broken = await play([fails("500 Error"), chooses("c1")])

    assert refused.purse.settled == [(0, 0.0, False), (150, 0.001, False)]
    assert refused.verdict.reasoning.usd == 0.001
    assert broken.purse.settled[0][2] is True
    assert broken.purse.settled[0][0] > 150
    assert broken.verdict.reasoning.usd is None


async def test_usage_that_does_not_come_is_settled_at_the_reservation() -> None:
    body = {"thought": "t", "candidate_id": "c0", "next_thought_needed": False}
    played = await play([says(body, tokens=None, usd=None)])

    [(tokens, usd, is_estimated)] = played.purse.settled
    assert is_estimated
    assert usd == pytest.approx(0.02 * tokens / 2000)
    assert played.verdict.reasoning.usd is None
    assert played.verdict.reasoning.is_estimated
    assert played.verdict.reasoning.agrees_with_solver is True


async def test_an_empty_pool_means_no_request() -> None:
    played = await play([chooses("c1")], purse=LedgerPurse(tokens=10))

    assert played.path == "solver_only:budget"
    assert played.seen.requests == []
    assert played.verdict.reasoning.tokens == 0


async def test_a_repair_that_is_not_affordable_is_not_tried() -> None:
    played = await play([says("no JSON")], allowance=replace(PATIENT, tokens=800))

    assert played.path == "solver_only:invalid_output"
    assert len(played.seen.requests) == 1


async def test_a_repair_may_be_twice_as_long() -> None:
    played = await play([says("{", finish_reason="length"), chooses("c1")])

    assert [request["max_tokens"] for request in played.seen.requests] == [160, 320]


async def test_a_judge_that_refuses_keeps_the_solvers_choice_and_says_why() -> None:
    played = await play([chooses("c1")], judge=lambda chosen: f"{chosen} costs 25 % more")

    reasoning = played.verdict.reasoning
    assert played.verdict.candidate_id == "c0"
    assert played.path == "solver_overrode_llm"
    assert (reasoning.agrees_with_solver, reasoning.model_choice) == (False, "c1")
    assert "c1 costs 25 % more" in reasoning.thoughts[-1].text


async def test_without_a_scratchpad_the_model_still_chooses() -> None:
    scratchpad = RemoteScratchpad("stdio", Command(("/nowhere/node",)))

    played = await play([chooses("c1")], scratchpad=scratchpad)

    assert played.path == "llm_without_scratchpad"
    assert played.verdict.reasoning.scratchpad == "none"
    assert "scratchpad_absent" in played.verdict.reasoning.warnings


async def test_one_candidate_is_no_choice_and_costs_nothing() -> None:
    played = await play([chooses("c0")], asked=question(candidates=1))

    assert played.path == "scratchpad+solver"
    assert played.seen.requests == []
    assert played.verdict.reasoning.model is None


async def test_a_cancelled_decision_settles_what_it_reserved() -> None:
    purse = LedgerPurse()
    asked = anyio.Event()
    hanging = Act(hangs=True, on_play=asked.set)
    async with upstream([hanging]) as seen:
        mind = Mind(LanguageModel(Upstream(base_url=seen.url, model="m")), purse=purse)
        async with Thinker(EmbeddedScratchpad(), mind=mind) as thinker:
            with anyio.fail_after(60):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(partial(thinker.think, question(), budget=BUDGET))
                    await asked.wait()
                    tasks.cancel_scope.cancel()

    assert purse.reserved == {}
    assert [is_estimated for _, _, is_estimated in purse.settled] == [True]


async def test_a_purse_that_takes_its_time_is_waited_for_and_one_that_hangs_is_not() -> None:
    class SlowPurse(LedgerPurse):
        def __init__(self, hangs: bool) -> None:
            super().__init__()
            self.hangs = hangs

        async def settle(
            self, reservation: str, *, tokens: int, usd: float, is_estimated: bool
        ) -> None:
            if self.hangs:
                await anyio.sleep_forever()
            await anyio.lowlevel.checkpoint()
            await super().settle(reservation, tokens=tokens, usd=usd, is_estimated=is_estimated)

    for hangs in (False, True):
        purse = SlowPurse(hangs)
        async with upstream([TOO_LATE]) as seen:
            model = LanguageModel(Upstream(base_url=seen.url, model="m"))
            mind = Mind(model, purse=purse, allowance=PATIENT)
            thinker = Thinker(EmbeddedScratchpad(), mind=mind)
            with anyio.fail_after(600):
                verdict = await thinker.think(question(), budget=BUDGET)
            await thinker.close()

        assert verdict.reasoning.path == "solver_only:timeout"
        assert len(purse.reserved) == hangs
        assert len(purse.settled) == (not hangs)


async def test_where_nobody_listens_nothing_is_spent() -> None:
    async with upstream([chooses("c1")]) as seen:
        pass
    purse = LedgerPurse()
    mind = Mind(
        LanguageModel(Upstream(base_url=seen.url, model="m")), purse=purse, jitter=lambda: 0.0
    )
    async with Thinker(EmbeddedScratchpad(), mind=mind) as thinker:
        verdict = await thinker.think(question(), budget=BUDGET)

    assert verdict.reasoning.path == "solver_only:upstream"
    assert purse.settled == [(0, 0.0, False)] * 2


async def test_our_own_limit_a_minute_is_kept_before_anything_is_sent() -> None:
    async with upstream([chooses("c1")]) as seen:
        model = LanguageModel(Upstream(base_url=seen.url, model="m"), rate=RateLimit(requests=1))
        async with Thinker(EmbeddedScratchpad(), mind=Mind(model)) as thinker:
            paths = [
                (await thinker.think(question(f"d-{n}"), budget=BUDGET)).reasoning.path
                for n in range(2)
            ]

    assert paths == ["llm+scratchpad+solver", "solver_only:rate_limited"]
    assert len(seen.requests) == 1


async def test_a_model_that_hangs_again_and_again_is_left_alone_too() -> None:
    async with upstream([Act(hangs=True, on_play=partial(pass_by, 20))]) as seen:
        model = LanguageModel(
            Upstream(base_url=seen.url, model="m"), breaker=CircuitBreaker(timer=Clock())
        )
        mind = Mind(model, allowance=Allowance(call_within=timedelta(seconds=10)))
        async with Thinker(EmbeddedScratchpad(), mind=mind) as thinker:
            for turn in range(8):
                await thinker.think(question(f"d-{turn}"), budget=BUDGET)

    assert len(seen.requests) == 5


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_after_five_failures_the_upstream_is_left_alone_for_thirty_seconds() -> None:
    clock, purse = Clock(), LedgerPurse()
    async with upstream([fails("429 No")] * 5 + [chooses("c1")]) as seen:
        model = LanguageModel(
            Upstream(base_url=seen.url, model="m"), breaker=CircuitBreaker(timer=clock)
        )
        async with Thinker(EmbeddedScratchpad(), mind=Mind(model, purse=purse)) as thinker:
            paths = [
                (await thinker.think(question(), budget=BUDGET)).reasoning.path for _ in range(7)
            ]
            while_open = len(seen.requests), len(purse.settled)
            clock.now += 30
            paths.append((await thinker.think(question(), budget=BUDGET)).reasoning.path)

    assert paths == ["solver_only:rate_limited"] * 7 + ["llm+scratchpad+solver"]
    assert while_open == (5, 5)


@pytest.mark.parametrize(
    ("status", "path"),
    [("401 No", "solver_only:auth"), ("402 Payment Required", "solver_only:credits")],
)
async def test_a_refused_key_or_an_empty_account_is_not_tried_again_for_ten_minutes(
    status: str, path: str
) -> None:
    clock = Clock()
    async with upstream([fails(status), chooses("c1")]) as seen:
        model = LanguageModel(
            Upstream(base_url=seen.url, model="m"), breaker=CircuitBreaker(timer=clock)
        )
        async with Thinker(EmbeddedScratchpad(), mind=Mind(model)) as thinker:
            paths = []
            for clock.now in (0.0, 599.0, 601.0):
                verdict = await thinker.think(question(), budget=BUDGET)
                paths.append(verdict.reasoning.path)

    assert paths == [path, path, "llm+scratchpad+solver"]
    assert len(seen.requests) == 2


async def test_the_second_attempt_asks_the_model_that_stands_in() -> None:
    async with upstream([fails("500 No"), chooses("c1")]) as seen:
        there = Upstream(base_url=seen.url, model="big", fallback_models=("small",))
        mind = Mind(LanguageModel(there), jitter=lambda: 0.0)
        async with Thinker(EmbeddedScratchpad(), mind=mind) as thinker:
            await thinker.think(question(), budget=BUDGET)

    assert [request["model"] for request in seen.requests] == ["big", "small"]


async def test_a_model_that_rejects_the_request_is_followed_by_the_one_that_stands_in() -> None:
    async with upstream([fails("404 No such model"), chooses("c1")]) as seen:
        there = Upstream(base_url=seen.url, model="gone", fallback_models=("small",))
        async with Thinker(EmbeddedScratchpad(), mind=Mind(LanguageModel(there))) as thinker:
            verdict = await thinker.think(question(), budget=BUDGET)

    assert [request["model"] for request in seen.requests] == ["gone", "small"]
    assert verdict.reasoning.path == "llm_after_retry"


async def test_a_failure_with_a_usage_is_settled_at_it() -> None:
    played = await play([says("", finish_reason="content_filter", tokens=120, usd=0.003)])

    assert played.path == "solver_only:rejected"
    assert played.purse.settled == [(120, 0.003, False)]
    assert (played.verdict.reasoning.tokens, played.verdict.reasoning.usd) == (120, 0.003)


async def test_without_a_key_no_authorization_is_sent() -> None:
    async with upstream([chooses("c1")]) as seen:
        mind = Mind(LanguageModel(Upstream(base_url=seen.url, model="m")))
        async with Thinker(EmbeddedScratchpad(), mind=mind) as thinker:
            verdict = await thinker.think(question(), budget=BUDGET)

    assert verdict.reasoning.path == "llm+scratchpad+solver"
    assert "authorization" not in seen.headers[0]


def test_requests_and_tokens_of_any_minute_are_limited() -> None:
    clock = Clock()
    limit = RateLimit(requests=2, tokens=100, timer=clock)

    assert limit.admit(60)
    assert not limit.admit(50)
    assert limit.admit(40)
    assert not limit.admit(0)
    clock.now = 61
    assert limit.admit(100)


@pytest.mark.parametrize(
    "url", ["http://10.0.0.7/v1", "http://models.example/v1", "http://localhost.evil.example/v1"]
)
def test_plain_http_to_another_machine_is_refused_unless_allowed(url: str) -> None:
    with pytest.raises(ConfigurationError, match="ALLOW_INSECURE_UPSTREAM"):
        Upstream(base_url=url, model="m")

    assert Upstream(base_url=url, model="m", allow_insecure=True).base_url == url


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/v1", "http://[::1]/v1", "https://x.example"])
def test_loopback_and_https_are_allowed(url: str) -> None:
    assert Upstream(base_url=url, model="m").base_url == url


@pytest.mark.parametrize("url", ["", "openrouter.ai/api", "file:///etc/passwd"])
def test_what_is_no_url_names_its_setting(url: str) -> None:
    with pytest.raises(ConfigurationError, match="OPENROUTER_BASE_URL"):
        Upstream(base_url=url, model="m")


def test_without_a_key_openrouter_is_no_mind_and_another_server_is_one() -> None:
    assert mind_at(base_url=f"{OPENROUTER}/", model="m", key=None) is None
    assert mind_at(base_url=OPENROUTER, model="", key="k") is None
    assert mind_at(base_url=OPENROUTER, model="m", key="k") is not None
    assert mind_at(base_url="http://127.0.0.1:1/v1", model="m", key=None) is not None


def test_an_upstream_does_not_show_its_key() -> None:
    assert "sk-canary" not in repr(Upstream(base_url="https://h/v1", model="m", key="sk-canary"))


@dataclass(frozen=True)
class Router(Upstream):
    """A server on loopback that knows OpenRouter's own parameters."""

    @property
    def is_openrouter(self) -> bool:
        return True


async def test_what_reasons_is_told_not_to_and_kept_low_where_it_refuses() -> None:
    mandatory = Act(
        status="400 Bad Request",
        body={"error": {"code": 400, "message": "Reasoning is mandatory for this endpoint"}},
    )
    purse = LedgerPurse()
    async with upstream([mandatory, chooses("c1")]) as seen:
        mind = Mind(LanguageModel(Router(base_url=seen.url, model="m")), purse=purse)
        async with Thinker(EmbeddedScratchpad(), mind=mind) as thinker:
            paths = [
                (await thinker.think(question(f"d-{n}"), budget=BUDGET)).reasoning.path
                for n in range(2)
            ]

    off, low = {"enabled": False}, {"effort": "low", "exclude": True}
    assert [request["reasoning"] for request in seen.requests] == [off, low, low]
    assert paths == ["llm+scratchpad+solver"] * 2
    assert not purse.reserved


async def test_only_openrouter_is_told_how_to_reason() -> None:
    played = await play([chooses("c1")])

    assert "reasoning" not in played.seen.requests[0]
    for url, knows in (
        ("https://openrouter.ai/api/v1", True),
        ("https://eu.openrouter.ai/api/v1", True),
        ("https://openrouter.ai.example/v1", False),
        ("https://example.com/openrouter.ai/v1", False),
    ):
        assert Upstream(base_url=url, model="m").is_openrouter is knows


async def test_a_model_that_only_reasoned_is_asked_again_without_an_empty_turn() -> None:
    played = await play([says("", finish_reason="length"), chooses("c1")])

    first, second = played.seen.requests
    assert second["messages"] == first["messages"]
    assert second["max_tokens"] == 2 * first["max_tokens"]
    assert played.path == "llm+scratchpad+solver"
