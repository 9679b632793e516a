from typing import Any

import pytest

from optimizer.cost_benefit.descriptor import read_options
from optimizer.cost_benefit.relevance import match_all, probability_of_fit, rank, score_all
from optimizer.cost_benefit.words import task_words, words

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
    task = "send an email"

    assert score_all(task, [MAIL]) == score_all(task, CANDIDATES)[1:]


def test_words_of_one_meaning_find_each_other() -> None:
    assert rank("make a presentation", [MAIL, {"id": "ppt", "name": "ppt"}]) == ["ppt", "mail"]


def test_identifiers_are_split_and_stop_words_dropped() -> None:
    assert words("getStockPrice get_stock_prices") == ["stock", "price", "stock", "price"]
    assert words("搜索tool") == ["搜", "索"]


def test_a_path_in_a_task_says_file_and_its_last_part() -> None:
    assert task_words("save it to /home/user/docs/trip.md") == words("save file trip md")
    assert task_words("open ./src/main.py and/or stop") == words("open file main py stop")


def test_a_link_says_url_and_a_blob_says_nothing() -> None:
    assert task_words("read https://example.com/home/page") == words("read url")
    assert task_words("decode " + "iVBORw0KGgo" * 9) == words("decode")


def test_a_word_repeated_a_thousand_times_gains_little() -> None:
    honest = {"id": "a", "name": "a", "description": "weather"}
    stuffed = {"id": "b", "name": "b", "description": "weather " * 500}
    plain, much = score_all("weather in Rome tomorrow and a train", [honest, stuffed])

    assert plain < much <= 4 * plain


def test_a_task_without_words_fits_nothing() -> None:
    assert score_all("the and of", CANDIDATES) == [0, 0]


def test_the_tools_that_fit_are_named_best_first() -> None:
    matches = match_all("what is in my inbox", read_options(CANDIDATES))

    assert matches[1].tools[0] == "search_inbox"
    assert matches[0].tools == ()


def test_the_chance_of_fitting_rises_with_the_score() -> None:
    chances = [probability_of_fit(s / 20) for s in range(21)]

    assert chances == sorted(chances)
    assert chances[0] < 0.05
    assert chances[-1] == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("task", ["", "\x00\u202e", "搜索", "a" * 5000])
def test_any_text_is_ranked(task: str) -> None:
    assert sorted(rank(task, CANDIDATES)) == ["mail", "maps"]
