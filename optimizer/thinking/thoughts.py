"""A computed chain of thoughts: what the figures say, in sentences that state numbers.

Pure: a question in, thoughts out. Names and summaries may come from strangers, so they are put on
one line and cut before they are written anywhere.
"""

from collections.abc import Iterator, Sequence

from optimizer.statistics import significant
from optimizer.thinking.question import Candidate, Question, Thought, ThoughtKind

MAX_CHARS = 1000
"""The longest thought."""

MAX_NAMED = 5
"""How many candidates a thought names; the rest are counted."""

MAX_REVISIONS = 3

_UNITS = {
    "_usd_month": " USD/month",
    "_usd": " USD",
    "_percent": " %",
    "_ms": " ms",
    "_tokens": " tokens",
}

_NAME_CHARS, _ID_CHARS, _PHRASE_CHARS = 60, 80, 240


def chain_of_thoughts(question: Question) -> tuple[Thought, ...]:
    """Assess, forecast, generate, evaluate, revise, branch, conclude.

    A revision is there for each leader that a limit dropped (at most 3), a branch when there is a
    runner-up, the forecast when one is known or would be: a choice of servers has none.

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
    if question.outlook or question.topic == "optimization":
        add("forecast", _outlook(question))
    add("generate", _generation(question))
    evaluation = len(chain)
    if question.candidates or question.dropped:
        evaluation = add("evaluate", _evaluation(question))
    for text in _revisions(question):
        evaluation = add("revise", text, revises=evaluation)
    if len(question.candidates) > 1:
        leader, runner_up = question.candidates[:2]
        ids = [plain(one.id, _ID_CHARS) for one in (runner_up, leader)]
        text = f"Runner-up {ids[0]} against {ids[1]}: {_differences(runner_up, leader)}."
        add("branch", text, branch_from=evaluation)
    first = question.candidates[0].id if question.candidates else None
    add("conclude", conclusion(question, first))
    return tuple(chain)


def _assessment(question: Question) -> str:
    """What is measured, and what came of past decisions."""
    facts = [_sentences(question.situation)]
    if not question.situation:
        facts = [f"0 measured facts came with this {_topic(question)} question."]
    if question.experience:
        facts.append(f"Past decisions: {_sentences(question.experience)}")
    return " ".join(facts)


def _outlook(question: Question) -> str:
    return _sentences(question.outlook) or (
        "0 forecast facts are known yet, so the hours ahead are taken to be as now."
    )


def _generation(question: Question) -> str:
    """Every candidate, and what it does."""
    held = len(question.candidates)
    if held == 0:
        return "0 candidates hold every limit."
    named = "; ".join(
        f"{plain(c.id, _ID_CHARS)}: {plain(c.summary, _PHRASE_CHARS)}"
        for c in question.candidates[:MAX_NAMED]
    )
    more = f"; and {held - MAX_NAMED} more" if held > MAX_NAMED else ""
    counted = "1 candidate" if held == 1 else f"{held} candidates, best first"
    return f"{counted}: {named}{more}."


def _evaluation(question: Question) -> str:
    """Who leads before the limits are looked at, and how far the candidates are apart."""
    if question.dropped:
        text = f"Before limits, {plain(question.dropped[0].id, _ID_CHARS)} ranks first."
    else:
        text = f"{plain(question.candidates[0].id, _ID_CHARS)} ranks first."
    apart, same, unknown = [], [], []
    for name in dict.fromkeys(name for c in question.candidates for name in c.figures):
        said, unit = _spoken(name)
        known = [(v, c.id) for c in question.candidates if (v := c.figures.get(name)) is not None]
        if not known:
            unknown.append(said)
            continue
        (low, lowest), (high, highest) = (
            pick(known, key=lambda pair: pair[0]) for pick in (min, max)
        )
        if number(low) == number(high):
            same.append(f"{said} {number(low)}{unit}")
        else:
            apart.append(
                f"{said} {number(low)}{unit} ({plain(lowest, _ID_CHARS)}) to "
                f"{number(high)}{unit} ({plain(highest, _ID_CHARS)})"
            )
    parts = (("Apart", apart), ("The same", same), ("Unknown for all", unknown))
    return " ".join([text, *(f"{what}: {', '.join(said)}." for what, said in parts if said)])


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


def _differences(one: Candidate, other: Candidate) -> str:
    """One candidate against another: what differs, what does not, and what is not known."""
    differ, same, unknown = [], [], []
    for name, value in one.figures.items():
        said, unit = _spoken(name)
        was = other.figures.get(name)
        if value is None and was is None:
            unknown.append(said)
        elif value is None or was is None or number(value) != number(was):
            differ.append(f"{said} {_change(value, was, unit)}")
        else:
            same.append(said)
    parts = [*differ]
    if same:
        parts.append(f"{', '.join(same)} the same")
    if unknown:
        parts.append(f"{', '.join(unknown)} unknown for both")
    return "; ".join(parts) or "0 figures are known"


def _change(value: float | None, was: float | None, unit: str) -> str:
    if value is None or was is None:
        return f"{number(value)} against {number(was)}{unit}"
    share = f", {100 * (value - was) / abs(was):+.1f} %" if was and unit != " %" else ""
    return f"{number(value)} against {number(was)}{unit} ({value - was:+.4g}{share})"


def conclusion(
    question: Question,
    stands: str | None,
    *,
    refusal: str | None = None,
    chooser: str = "the language model",
    is_weighed: bool = False,
) -> str:
    """Which candidate stands, and why.

    Args:
        question: What was decided.
        stands: Its id; None when there is none.
        refusal: Why the chooser's choice does not stand, if it was refused.
        chooser: Who chose, when it was not the solver.
        is_weighed: Whether somebody read what the asker says; the solver cannot.
    """
    because = plain(question.chosen_because, _PHRASE_CHARS * 2)
    chosen = next((c for c in question.candidates if c.id == stands), None)
    if chosen is None:
        return f"0 candidates stand: {because.rstrip('.')}."
    leader = question.candidates[0]
    if chosen is not leader:
        because = (
            f"{chooser} chose it over {plain(leader.id, _ID_CHARS)}: {_differences(chosen, leader)}"
        )
    elif refusal is not None:
        because = f"{chooser}'s choice is refused, {plain(refusal, _PHRASE_CHARS)}; {because}"
    text = f"{plain(chosen.id, _ID_CHARS)} stands: {because.rstrip('.')}."
    is_read_by_the_solver = question.topic == "mcp_selection"  # relevance to the task
    if question.context and not (is_weighed or is_read_by_the_solver):
        text = f"{text} What the asker says was not weighed: no language model answered."
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
    text = conclusion(question, stands, refusal=refusal, chooser="the client", is_weighed=True)
    return (
        Thought(
            number=last + 1, kind="evaluate", text=plain(said, MAX_CHARS) or "-", author="client"
        ),
        Thought(number=last + 2, kind="conclude", text=text, revises=concluded),
    )


def _spoken(name: str) -> tuple[str, str]:
    """A figure's name without its unit, and the unit as it stands behind a number."""
    for ending, unit in _UNITS.items():
        if name.endswith(ending):
            return plain(name.removesuffix(ending), _NAME_CHARS).replace("_", " "), unit
    return plain(name, _NAME_CHARS).replace("_", " "), ""


def number(value: float | None) -> str:
    """Four significant digits, without an exponent for what people meet: `12,346`, `0.9871`."""
    if value is None:
        return "unknown"
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e15 else f"{significant(value):.12g}"


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


def _topic(question: Question) -> str:
    return question.topic.replace("_", " ")


def _branch_id(question: Question) -> str:
    """Unique among decisions, because a server may keep one history for several of them."""
    return plain(f"{question.decision_id}:{question.candidates[1].id}", 200)
