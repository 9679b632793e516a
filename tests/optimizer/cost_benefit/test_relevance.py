from typing import Any

import pytest

from optimizer.cost_benefit.descriptor import read_options
from optimizer.cost_benefit.relevance import (
    match,
    option_document,
    probability_of_fit,
    rank,
    read_task,
    score,
)
from optimizer.cost_benefit.words import words

MAIL = {
    "id": "mail",
    "name": "mail",
    "description": "Sends and reads e-mail.",
    "tools": [
        {"name": "send_email", "description": "Send a message."},
        {"name": "search_inbox", "description": "Find messages in the inbox."},
    ],
}
MAPS = {
    "id": "maps",
    "name": "maps",
    "description": "Routes and places.",
    "tools": [{"name": "find_route", "description": "The way from one place to another."}],
}
CANDIDATES: list[dict[str, Any]] = [MAPS, MAIL]


def test_the_server_whose_words_fit_comes_first() -> None:
    assert rank("Send an email to my landlord", CANDIDATES) == ["mail", "maps"]
    assert rank("Which route leads to this place?", CANDIDATES) == ["maps", "mail"]


def test_the_order_of_candidates_does_not_matter() -> None:
    assert rank("find my route", CANDIDATES) == rank("find my route", CANDIDATES[::-1])


def test_a_score_does_not_depend_on_who_else_is_there() -> None:
    task = read_task("send an email")
    alone = [score(task, option_document(option)) for option in read_options([MAIL])]
    among = [score(task, option_document(option)) for option in read_options(CANDIDATES)]

    assert alone == among[1:]


def test_words_of_one_meaning_find_each_other() -> None:
    assert rank("make a presentation", [MAIL, {"id": "ppt", "name": "ppt"}]) == ["ppt", "mail"]


def test_identifiers_are_split_and_stop_words_dropped() -> None:
    assert words("getStockPrice get_stock_prices") == ["stock", "price", "stock", "price"]
    assert words("搜索tool") == ["搜", "索"]


def test_a_word_repeated_a_thousand_times_gains_little() -> None:
    honest = {"id": "a", "name": "a", "description": "weather"}
    stuffed = {"id": "b", "name": "b", "description": "weather " * 500}
    task = read_task("weather in Rome tomorrow and a train to Paris")

    plain, much = (score(task, option_document(o)) for o in read_options([honest, stuffed]))

    assert plain < much <= 4 * plain


def test_a_task_without_words_fits_nothing() -> None:
    [option] = read_options([MAIL])

    assert match(read_task("the and of"), option).score == 0


def test_the_tools_that_fit_are_named_best_first() -> None:
    [option] = read_options([MAIL])

    assert match(read_task("search my inbox"), option).tools[0] == "search_inbox"


def test_the_chance_of_fitting_rises_with_the_score() -> None:
    chances = [probability_of_fit(s / 20) for s in range(21)]

    assert chances == sorted(chances)
    assert chances[0] < 0.05
    assert chances[-1] == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("task", ["", "\x00\u202e", "搜索", "a" * 5000])
def test_any_text_is_ranked(task: str) -> None:
    assert sorted(rank(task, CANDIDATES)) == ["mail", "maps"]
