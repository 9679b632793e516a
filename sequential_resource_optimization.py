"""Sequential Resource Optimization: the public names; run this file to serve.

What stands in `__all__` is under semantic versioning; nothing else is promised.
"""

if __name__ == "__main__":
    import sys

    from server.cli.main import main

    sys.exit(main(["serve", *sys.argv[1:]]))

from optimizer.allocation.lease import Allocation, AllocationRequest
from optimizer.decisions.decision import Decision, ImplementationStep
from optimizer.decisions.figures import Candidate
from optimizer.decisions.objectives import Objective
from optimizer.decisions.request import Constraints, OptimizationRequest
from optimizer.errors import (
    CapacityError,
    ConfigurationError,
    DependencyError,
    ForbiddenError,
    InvalidRequestError,
    LeaseEndedError,
    LeaseRefusedError,
    NotEnoughHistoryError,
    NotFoundError,
    OptimizerError,
    RequestError,
    StorageError,
)
from optimizer.forecasting.forecast import Forecast, Prediction, ScalingRecommendation
from optimizer.forecasting.protocol import ForecastModel
from optimizer.holding import HeldLease
from optimizer.identity import Principal
from optimizer.monitoring.sample import Health, Sample, Threshold, Trend
from optimizer.operations.forecast import ForecastRequest
from optimizer.orchestrator import SequentialResourceOptimizer
from optimizer.settings import Settings, load_settings
from optimizer.version import VERSION

__version__ = VERSION

__all__ = [
    "Allocation",
    "AllocationRequest",
    "Candidate",
    "CapacityError",
    "ConfigurationError",
    "Constraints",
    "Decision",
    "DependencyError",
    "ForbiddenError",
    "Forecast",
    "ForecastModel",
    "ForecastRequest",
    "Health",
    "HeldLease",
    "ImplementationStep",
    "InvalidRequestError",
    "LeaseEndedError",
    "LeaseRefusedError",
    "NotEnoughHistoryError",
    "NotFoundError",
    "Objective",
    "OptimizationRequest",
    "OptimizerError",
    "Prediction",
    "Principal",
    "RequestError",
    "Sample",
    "ScalingRecommendation",
    "SequentialResourceOptimizer",
    "Settings",
    "StorageError",
    "Threshold",
    "Trend",
    "__version__",
    "load_settings",
]
