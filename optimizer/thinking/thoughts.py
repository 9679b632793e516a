"""A computed chain of thoughts: what the figures say, in sentences that state numbers.

Pure: a question in, thoughts out. Names and summaries may come from strangers, so they are put on
one line and cut before they are written anywhere.
"""

from collections.abc import Iterator, Mapping, Sequence

from optimizer.thinking.question import Candidate, Question, Thought, ThoughtKind

MAX_CHARS = 1000
"""The longest thought."""

MAX_NAMED = 5
"""How many candidates a thought names; the rest are counted."""

MAX_REVISIONS = 3

_NAME_CHARS, _ID_CHARS, _PHRASE_CHARS = 60, 80, 240


def chain_of_thoughts(question: Question) -> tuple[Thought, ...]:
    """Assess, forecast, generate, evaluate, revise, branch, conclude.

    A revision is there for each leader that a limit dropped (at most 3), a branch when there is a
    runner-up; the rest always.

    Args:
        question: A complete computed answer.

    Returns:
        Thoughts numbered from 1.
    """
    chain: list[Thought] = []

    def add(
        kind: ThoughtKind, text: str, *, revises: int | None = None, branch_from: int | None = None
    ) -> int:
        chain.append(
            Thought(
                number=len(chain) + 1,
                kind=kind,
                text=_cut(text, MAX_CHARS),
                revises=revises,
                branch_from=branch_from,
                branch_id=None if branch_from is None else _branch_id(question),
            )
        )
        return len(chain)

    add("assess", _assessment(question))
    add("forecast", _outlook(question))
    add("generate", _generation(question))
    evaluation = add("evaluate", _evaluation(question))
    for text in _revisions(question):
        evaluation = add("revise", text, revises=evaluation)
    if len(question.candidates) > 1:
        add("branch", _comparison(*question.candidates[:2]), branch_from=evaluation)
    leader = question.candidates[0].id if question.candidates else None
    add("conclude", conclusion(question, leader))
    return tuple(chain)


def _assessment(question: Question) -> str:
    facts = _sentences(question.situation)
    return facts or (
        f"0 measured facts came with this {_topic(question)} question; "
        f"{_count(len(question.candidates), 'candidate')} are compared by computed figures alone."
    )


def _outlook(question: Question) -> str:
    return _sentences(question.outlook) or (
        "0 forecast facts are known, so nothing is assumed about the hours ahead."
    )


def _generation(question: Question) -> str:
    held = len(question.candidates)
    if held == 0:
        return f"0 candidates hold the limits; {len(question.dropped)} broke one."
    named = "; ".join(
        f"{plain(c.id, _ID_CHARS)}: {plain(c.summary, _PHRASE_CHARS)}"
        for c in question.candidates[:MAX_NAMED]
    )
    more = f"; and {held - MAX_NAMED} more" if held > MAX_NAMED else ""
    return (
        f"{_count(held, 'candidate')} hold the limits, {len(question.dropped)} broke one. "
        f"{named}{more}."
    )


def _evaluation(question: Question) -> str:
    """The figures, and who leads before the limits are looked at."""
    rows = "; ".join(
        f"{plain(c.id, _ID_CHARS)} ({_figures(c.figures)})" for c in question.candidates[:MAX_NAMED]
    )
    compared = len(question.candidates) + len(question.dropped)
    if question.dropped:
        leader = plain(question.dropped[0].id, _ID_CHARS)
        text = f"Before limits, {leader} ranks 1 of {compared}."
    elif question.candidates:
        text = f"{plain(question.candidates[0].id, _ID_CHARS)} ranks 1 of {compared}."
    else:
        text = "0 candidates can be ranked."
    return f"{text} {rows}." if rows else text


def _revisions(question: Question) -> Iterator[str]:
    """One text for each dropped leader, naming who leads then."""
    dropped = question.dropped[:MAX_REVISIONS]
    heirs = [d.id for d in dropped[1:]]
    if len(question.dropped) > MAX_REVISIONS:
        heirs.append(question.dropped[MAX_REVISIONS].id)
    elif dropped:
        heirs.append(question.candidates[0].id if question.candidates else "")
    for leader, heir in zip(dropped, heirs, strict=True):
        then = f"{plain(heir, _ID_CHARS)} leads then" if heir else "0 candidates are left"
        reason = plain(leader.reason, _PHRASE_CHARS)
        yield f"{plain(leader.id, _ID_CHARS)} is dropped: {reason}; {then}."


def _comparison(leader: Candidate, runner_up: Candidate) -> str:
    """The runner-up against the leader, figure by figure."""
    differences = "; ".join(
        _difference(plain(name, _NAME_CHARS), leader.figures.get(name), runner_up.figures.get(name))
        for name in runner_up.figures
    )
    return (
        f"Runner-up {plain(runner_up.id, _ID_CHARS)} against {plain(leader.id, _ID_CHARS)}: "
        f"{differences or '0 figures are known'}."
    )


def _difference(name: str, leader: float | None, runner_up: float | None) -> str:
    if leader is None or runner_up is None:
        return f"{name} {number(runner_up)} against {number(leader)}"
    change = runner_up - leader
    share = f", {100 * change / abs(leader):+.1f} %" if leader else ""
    return f"{name} {number(runner_up)} against {number(leader)} ({change:+.4g}{share})"


def conclusion(
    question: Question,
    stands: str | None,
    *,
    refusal: str | None = None,
    chooser: str = "the language model",
) -> str:
    """Which candidate stands, its figures, and why.

    Args:
        question: What was decided.
        stands: Its id; None when there is none.
        refusal: Why the chooser's choice does not stand, if it was refused.
        chooser: Who chose, when it was not the solver.
    """
    because = plain(question.chosen_because, _PHRASE_CHARS * 2)
    chosen = next((c for c in question.candidates if c.id == stands), None)
    if chosen is None:
        return f"0 candidates hold the limits: {because}"
    leader = question.candidates[0]
    if chosen is not leader:
        because = f"{chooser} chose it over {plain(leader.id, _ID_CHARS)}"
    elif refusal is not None:
        because = f"{chooser}'s choice is refused, {plain(refusal, _PHRASE_CHARS)}; {because}"
    text = f"{plain(chosen.id, _ID_CHARS)} stands ({_figures(chosen.figures)}): {because}"
    return _cut(text, MAX_CHARS)


def clients_thoughts(
    question: Question,
    before: Sequence[Thought],
    said: str,
    stands: str | None,
    *,
    refusal: str | None = None,
) -> tuple[Thought, Thought]:
    """What the agent that asked says, and the conclusion anew, which revises the former one.

    Args:
        question: What was decided.
        before: The chain so far; it ends with its conclusion.
        said: The agent's reason.
        stands: The candidate that stands now.
        refusal: Why the agent's choice does not stand, if it was refused.
    """
    last = before[-1].number if before else 0
    concluded = next((t.number for t in reversed(before) if t.kind == "conclude"), None)
    text = conclusion(question, stands, refusal=refusal, chooser="the client")
    return (
        Thought(
            number=last + 1, kind="evaluate", text=plain(said, MAX_CHARS) or "-", author="client"
        ),
        Thought(number=last + 2, kind="conclude", text=text, revises=concluded),
    )


def _figures(figures: Mapping[str, float | None]) -> str:
    named = ((plain(name, _NAME_CHARS), value) for name, value in figures.items())
    return ", ".join(f"{name} {number(value)}" for name, value in named)


def number(value: float | None) -> str:
    """Four significant digits, without an exponent for what people meet: `12,346`, `0.9871`."""
    if value is None:
        return "unknown"
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e15 else f"{value:.4g}"


def plain(text: str, limit: int) -> str:
    """Text of a stranger on one line: only printable characters, at most `limit` of them."""
    text = text[: 4 * limit]
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " * c.isspace() for c in text)
    return _cut(" ".join(text.split()), limit)


def _sentences(facts: Sequence[str]) -> str:
    return " ".join(plain(fact, _PHRASE_CHARS) for fact in facts)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _count(number_of: int, noun: str) -> str:
    return f"{number_of} {noun}" if number_of == 1 else f"{number_of} {noun}s"


def _topic(question: Question) -> str:
    return question.topic.replace("_", " ")


def _branch_id(question: Question) -> str:
    """Unique among decisions, because a server may keep one history for several of them."""
    return plain(f"{question.decision_id}:{question.candidates[1].id}", 200)
