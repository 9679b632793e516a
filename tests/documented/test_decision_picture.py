import json
from xml.etree import ElementTree

from docs.decision import ANSWER, PICTURE, draw


def test_the_picture_is_drawn_from_the_recorded_answer_run_make_docs() -> None:
    assert PICTURE.read_text(encoding="utf-8") == draw(json.loads(ANSWER.read_text()))


def test_the_picture_names_the_decision_for_those_who_cannot_see_it() -> None:
    picture = ElementTree.fromstring(PICTURE.read_text(encoding="utf-8"))

    assert picture.get("aria-label") == json.loads(ANSWER.read_text())["summary"]
