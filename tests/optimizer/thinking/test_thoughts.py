"""The computed chain of thoughts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.thinking.question import Candidate, Dropped, Question
from optimizer.thinking.thoughts import MAX_CHARS, chain_of_thoughts, conclusion, number, plain

from .questions import question


def kinds(asked: Question) -> list[str]:
    return [thought.kind for thought in chain_of_thoughts(asked)]


def test_a_plain_question_is_assessed_forecast_generated_evaluated_branched_and_concluded() -> None:
    assert kinds(question()) == ["assess", "forecast", "generate", "evaluate", "branch", "conclude"]


def test_a_dropped_leader_is_a_revision_of_the_evaluation() -> None:
    chain = chain_of_thoughts(question(dropped=2))

    revisions = [thought for thought in chain if thought.kind == "revise"]
    assert [(thought.number, thought.revises) for thought in revisions] == [(5, 4), (6, 5)]
    assert revisions[0].text == ("x0 is dropped: cost 60 USD > max_cost 50 USD; x1 leads then.")
    assert revisions[1].text.endswith("c0 leads then.")


def test_at_most_three_revisions_are_written() -> None:
    chain = chain_of_thoughts(question(dropped=5))

    revisions = [thought.text for thought in chain if thought.kind == "revise"]
    assert len(revisions) == 3
    assert revisions[-1].endswith("x3 leads then.")


def test_the_runner_up_is_a_branch_with_its_difference_in_every_figure() -> None:
    branch = next(t for t in chain_of_thoughts(question()) if t.kind == "branch")

    assert (branch.branch_from, branch.branch_id) == (4, "d-1:c1")
    assert branch.text == (
        "Runner-up c1 against c0: cost 50 against 40 USD/month (+10, +25.0 %); latency the same; "
        "risk unknown for both."
    )


def test_the_evaluation_says_how_far_the_candidates_are_apart_and_whose_the_ends_are() -> None:
    asked = question()
    third = asked.candidates[2]
    risky = third.model_copy(update={"figures": {**third.figures, "risk_percent": 0.25}})
    asked = asked.model_copy(update={"candidates": (*asked.candidates[:2], risky)})

    evaluation = next(t for t in chain_of_thoughts(asked) if t.kind == "evaluate")

    assert evaluation.text == (
        "c0 ranks first. Apart: cost 40 USD/month (c0) to 60 USD/month (c2). "
        "The same: latency 20 ms, risk 0.25 %. Unknown for all: risk."
    )


def test_no_thought_says_again_what_another_said() -> None:
    texts = [thought.text for thought in chain_of_thoughts(question(dropped=1))]
    sentences = [part for text in texts for part in text.split(". ")]

    assert len(set(sentences)) == len(sentences)


def test_a_conclusion_says_that_nobody_weighed_the_askers_words() -> None:
    asked = question().model_copy(update={"context": "The host restarts at 02:00."})

    unread = conclusion(asked, "c0")
    read = conclusion(asked, "c1", is_weighed=True)

    assert unread.endswith("What the asker says was not weighed: no language model answered.")
    assert read.startswith("c1 stands: the language model chose it over c0: cost 50 against")
    assert "weighed" not in read
    assert "weighed" not in conclusion(question(), "c0")


def test_what_past_decisions_came_to_is_part_of_the_assessment() -> None:
    asked = question().model_copy(update={"experience": ("cpu_2 made it 3 % slower.",)})

    assert chain_of_thoughts(asked)[0].text.endswith("Past decisions: cpu_2 made it 3 % slower.")


def test_one_candidate_has_no_runner_up() -> None:
    assert "branch" not in kinds(question(candidates=1))


def test_a_question_without_candidates_is_thought_through_to_its_reason() -> None:
    chain = chain_of_thoughts(question(candidates=0, dropped=1))

    assert chain[2].text == "0 candidates hold every limit."
    assert chain[3].text == "Before limits, x0 ranks first."
    assert chain[-2].text.endswith("0 candidates are left.")
    assert chain[-1].text.startswith("0 candidates stand: ")
    assert kinds(question(candidates=0)) == ["assess", "forecast", "generate", "conclude"]


def test_a_question_without_facts_says_that_there_are_none() -> None:
    bare = Question(
        decision_id="d",
        topic="mcp_selection",
        situation=(),
        candidates=(Candidate(id="a", summary="", figures={}),),
        chosen_because="it is the only one",
    )

    chain = chain_of_thoughts(bare)

    assert chain[0].text == "0 measured facts came with this mcp selection question."
    assert [thought.kind for thought in chain[1:]] == ["generate", "evaluate", "conclude"]


def test_a_decision_without_a_forecast_says_so() -> None:
    asked = question().model_copy(update={"outlook": ()})

    assert chain_of_thoughts(asked)[1].text.startswith("0 forecast facts are known yet")


TEXT = st.text(max_size=2000)


@given(
    texts=st.lists(TEXT, min_size=4, max_size=4),
    figures=st.dictionaries(TEXT, st.none() | st.floats(), max_size=8),
    count=st.integers(0, 8),
    dropped=st.integers(0, 5),
)
def test_any_text_of_a_stranger_stays_on_one_bounded_line(
    texts: list[str], figures: dict[str, float | None], count: int, dropped: int
) -> None:
    asked = Question(
        decision_id=texts[0],
        topic="forecast",
        situation=(texts[1],),
        outlook=(texts[2],),
        candidates=tuple(
            Candidate(id=f"{i}{texts[3]}", summary=texts[1], figures=figures) for i in range(count)
        ),
        dropped=tuple(Dropped(id=f"x{i}", reason=texts[2]) for i in range(dropped)),
        chosen_because=texts[0],
    )

    chain = chain_of_thoughts(asked)

    assert [thought.number for thought in chain] == list(range(1, len(chain) + 1))
    assert all(len(thought.text) <= MAX_CHARS for thought in chain)
    assert all("\n" not in thought.text and thought.text.isprintable() for thought in chain)
    assert all(
        earlier < thought.number
        for thought in chain
        for earlier in (thought.revises, thought.branch_from)
        if earlier is not None
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "unknown"), (12345.6, "12,346"), (0.98712, "0.9871"), (0.0, "0"), (-2000.4, "-2,000")],
)
def test_numbers_are_written_as_people_read_them(value: float | None, text: str) -> None:
    assert number(value) == text


def test_control_and_direction_characters_are_taken_out() -> None:
    assert plain("a\n\tb\u202ec\x00d", 80) == "a bcd"
