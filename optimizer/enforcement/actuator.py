"""What carries out a step of a plan, and what may go wrong."""

from typing import Protocol

from optimizer.decisions.decision import ImplementationStep
from optimizer.errors import DependencyError


class ActuatorError(DependencyError):
    """A step cannot be carried out, or was not carried out as it should be."""

    code = "actuator_failed"


class Actuator(Protocol):
    """Changes one kind of thing, and changes it back."""

    @property
    def is_exact(self) -> bool:
        """Whether a failure leaves everything as it was; else it is changed back to be sure."""

    async def check(self, step: ImplementationStep) -> str:
        """Say what would be done, having made sure that it can be.

        Raises:
            OptimizerError: It cannot; nothing was changed.
        """

    async def carry_out(self, step: ImplementationStep) -> str:
        """Do it, and say what was done.

        Raises:
            OptimizerError: It was not done.
        """

    async def take_back(self, step: ImplementationStep) -> str:
        """Go back to how it was before the step, and say how it is now.

        Raises:
            OptimizerError: It could not be taken back.
        """
