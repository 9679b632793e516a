import pytest

from optimizer.cost_benefit.stemmer import stem

# Word and stem pairs of the Snowball project's English vocabulary.
PUBLISHED = {
    "consign": "consign",
    "consigned": "consign",
    "consistency": "consist",
    "consistently": "consist",
    "consolation": "consol",
    "consolatory": "consolatori",
    "consolingly": "consol",
    "consonant": "conson",
    "conspicuously": "conspicu",
    "conspiracies": "conspiraci",
    "knackeries": "knackeri",
    "knavish": "knavish",
    "kneaded": "knead",
    "kneeled": "kneel",
    "knightly": "knight",
    "knitting": "knit",
    "knocker": "knocker",
    "knopp": "knopp",
    "skies": "sky",
    "dying": "die",
    "ties": "tie",
    "cries": "cri",
    "hopping": "hop",
    "hoping": "hope",
    "proceed": "proceed",
    "generalization": "general",
    "generously": "generous",
    "relational": "relat",
    "analogist": "analog",
    "sensibility": "sensibl",
    "gas": "gas",
    "kiwis": "kiwi",
    "buses": "buse",
    "success": "success",
    "evening": "evening",
    "universities": "universiti",
}


@pytest.mark.parametrize(("word", "expected"), PUBLISHED.items())
def test_a_word_gets_the_stem_that_snowball_gives_it(word: str, expected: str) -> None:
    assert stem(word) == expected


def test_short_words_and_other_scripts_stay_as_they_are() -> None:
    assert [stem(word) for word in ("a", "ox", "搜", "42")] == ["a", "ox", "搜", "42"]
