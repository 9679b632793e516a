import math
import random
from itertools import combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.cost_benefit import cover as cover_module
from optimizer.cost_benefit.cover import Server, best_cover
from optimizer.errors import InvalidRequestError

CAPABILITIES = ("read", "write", "search")
servers = st.lists(
    st.builds(
        Server,
        id=st.sampled_from("abcdef"),
        gains=st.dictionaries(st.sampled_from(CAPABILITIES), st.floats(-1, 5), max_size=3),
        fixed_cost=st.floats(0, 3),
        tokens=st.floats(0, 100),
        spends=st.dictionaries(st.sampled_from(CAPABILITIES), st.floats(0, 1)),
    ),
    max_size=5,
    unique_by=lambda server: server.id,
)


def brute_force(servers: list[Server], max_tokens: float, budget_usd: float) -> tuple[int, float]:
    """Most capabilities covered, and the most that so many can be worth."""
    best = (0, 0.0)
    for count in range(1, len(servers) + 1):
        for members in combinations(servers, count):
            if math.fsum(server.tokens for server in members) > max_tokens:
                continue
            offers: list[list[Server | None]] = [
                [server for server in members if capability in server.gains]
                for capability in CAPABILITIES
            ]
            choices = [[None, *offer] for offer in offers]
            for serving in product(*choices):
                used = {server.id: server for server in serving if server is not None}
                spends = (
                    server.spends.get(capability, 0)
                    for capability, server in zip(CAPABILITIES, serving, strict=True)
                    if server is not None
                )
                if len(used) != len(members) or math.fsum(spends) > budget_usd:
                    continue
                gain = sum(
                    server.gains[capability]
                    for capability, server in zip(CAPABILITIES, serving, strict=True)
                    if server is not None
                )
                fixed = sum(server.fixed_cost for server in used.values())
                covered = sum(server is not None for server in serving)
                best = max(best, (covered, gain - fixed))
    return best


@settings(deadline=None)
@given(servers=servers, max_tokens=st.floats(0, 250), budget_usd=st.floats(0, 2))
def test_a_set_covers_the_most_and_is_worth_the_most(
    servers: list[Server], max_tokens: float, budget_usd: float
) -> None:
    covered, value = brute_force(servers, max_tokens, budget_usd)

    cover = best_cover(CAPABILITIES, servers, max_tokens=max_tokens, budget_usd=budget_usd)

    assert len(CAPABILITIES) - len(cover.missing) == covered
    assert cover.value == pytest.approx(value, abs=1e-9)


def test_one_server_that_does_two_things_saves_the_context_of_a_second() -> None:
    both = Server("both", {"read": 1.0, "write": 1.0}, fixed_cost=0.3)
    reader = Server("reader", {"read": 1.0}, fixed_cost=0.2)
    writer = Server("writer", {"write": 1.0}, fixed_cost=0.2)

    cover = best_cover(("read", "write"), [reader, writer, both])

    assert cover.ids == ("both",)
    assert dict(cover.serves) == {"read": "both", "write": "both"}


def test_what_nobody_offers_is_missing() -> None:
    cover = best_cover(("read", "fly"), [Server("reader", {"read": 1.0}, fixed_cost=0.1)])

    assert cover.missing == ("fly",)
    assert cover.ids == ("reader",)


def test_calls_of_a_set_stay_within_the_budget() -> None:
    dear = Server("dear", {"read": 5.0}, fixed_cost=0, spends={"read": 2.0})
    cheap = Server("cheap", {"read": 1.0}, fixed_cost=0, spends={"read": 0.5})

    assert best_cover(("read",), [dear, cheap], budget_usd=1).ids == ("cheap",)


def test_half_of_what_is_needed_is_covered_where_the_budget_ends() -> None:
    """The program of this set ends in HiGHS's presolve with a solve error."""
    draw = random.Random(5)
    needed = tuple(f"c{i}" for i in range(4))
    offers = []
    for number in range(50):
        capabilities = draw.sample(needed, min(4, draw.randint(1, 8)))
        benefit, cost = draw.uniform(0.5, 1.9), draw.uniform(0, 0.05)
        tokens = math.exp(draw.gauss(math.log(400), 1))
        gains = {
            capability: ((1.0 if draw.random() < 0.4 else draw.uniform(0.5, 1)) * benefit - cost)
            / 4
            for capability in capabilities
        }
        spends = dict.fromkeys(capabilities, cost / 4)
        offers.append(Server(f"s{number:02}", gains, tokens * 18e-6 + 0.002, tokens, spends))

    cover = best_cover(needed, offers, max_tokens=360, budget_usd=0.0024)

    assert len(cover.serves) == 2
    assert cover.value == pytest.approx(0.6656772, abs=1e-6)


def test_a_search_that_cannot_be_finished_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cover_module, "ATTEMPTS", 0)
    offers = [Server(f"s{i}", {"read": 1.0, "write": 1.0}, fixed_cost=0.1) for i in range(5)]

    with pytest.raises(InvalidRequestError, match="give fewer"):
        best_cover(("read", "write"), offers)
