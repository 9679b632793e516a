"""A decision but for what is its asker's alone: made once for all who ask the same of one state."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from optimizer.decisions.answer import answer, what_next
from optimizer.decisions.asking import ask, awaiting_client, frame_of, thought_over
from optimizer.decisions.decision import OWN, Decision, Inputs, Written
from optimizer.decisions.focus import Focus
from optimizer.decisions.past import told
from optimizer.decisions.solve import Solution, judge
from optimizer.decisions.strategy import Meant
from optimizer.thinking.question import Question, Verdict

_NOBODY = "opt-"
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Draft:
    """What everybody is answered who asks the same of one state.

    Attributes:
        solution: The computed answer.
        meant: The objective and why it is this one.
        focus: What `constraints.focus` came to, when it was given.
        inputs: Everything that it was computed from.
        inputs_text: That as JSON.
        question: What is thought over, of no decision yet.
        alone: The computed choice, not thought over.
        decision: The computed choice as a decision, of nobody.
        rest: That as JSON, without what is the asker's own.
    """

    solution: Solution
    meant: Meant
    focus: Focus | None
    inputs: Inputs
    inputs_text: str
    question: Question
    alone: Verdict
    decision: Decision
    rest: str

    @classmethod
    def of(
        cls,
        solution: Solution,
        *,
        meant: Meant,
        focus: Focus | None,
        inputs: Inputs,
        snapshot_text: str,
        unthought: Callable[[Question], Verdict],
    ) -> Self:
        """Word a computed answer.

        Args:
            solution: The answer.
            meant: The objective and why it is this one.
            focus: What `constraints.focus` came to, when it was given.
            inputs: Everything that it was computed from.
            snapshot_text: The snapshot of them as JSON.
            unthought: The computed choice of a question, as nobody thought it over.
        """
        inputs_text = inputs.text(snapshot_text)
        question = ask(solution, _NOBODY, told(inputs.snapshot.remembered, solution.request.scope))
        alone = unthought(question)
        decision = answer(
            solution,
            solution.best,
            alone.reasoning,
            decision_id=_NOBODY,
            meant=meant,
            focus=focus,
            inputs=inputs,
            inputs_text=inputs_text,
            created_at=_NEVER,
        )
        rest = decision.model_dump_json(exclude=set(OWN))
        return cls(solution, meant, focus, inputs, inputs_text, question, alone, decision, rest)

    def question_of(self, decision_id: str) -> Question:
        """What a decision of this id asks whoever thinks it over."""
        return self.question.model_copy(update={"decision_id": decision_id})

    def decide(
        self, question: Question, verdict: Verdict, *, created_at: datetime
    ) -> tuple[Decision, Written]:
        """The decision of one asker, and what is kept of it.

        Args:
            question: With the decision's id.
            verdict: What thinking came to; the judge may refuse it.
            created_at: Now.
        """
        ruling = judge(self.solution, verdict.candidate_id)
        reasoning = thought_over(verdict.reasoning, ruling.refusal)
        to_choose = self.solution.request.thinks == "client" and len(question.candidates) > 1
        if ruling.stands is self.solution.best and ruling.refusal is None and not to_choose:
            plan = [*self.decision.implementation_plan]
            decision = self.decision.model_copy(
                update={
                    "decision_id": question.decision_id,
                    "created_at": created_at,
                    "reasoning": reasoning,
                    "implementation_plan": plan,
                    "next": what_next(self.solution, ruling.stands, plan, question.decision_id),
                }
            )
            return decision, Written(decision.text(self.rest), self.inputs_text)
        decision = answer(
            self.solution,
            ruling.stands,
            awaiting_client(reasoning) if to_choose else reasoning,
            decision_id=question.decision_id,
            meant=self.meant,
            focus=self.focus,
            inputs=self.inputs,
            inputs_text=self.inputs_text,
            created_at=created_at,
            further_warnings=(ruling.refusal,) if ruling.refusal else (),
            frame=frame_of(question) if to_choose else None,
        )
        return decision, Written(decision.text(), self.inputs_text)
