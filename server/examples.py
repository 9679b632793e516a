"""A request of each operation with a body, for the API description and to try it out."""

from collections.abc import Mapping
from typing import Any

EXAMPLES: Mapping[str, dict[str, Any]] = {
    "optimize_resources": {
        "scope": "system_level",
        "primary_objective": "balanced_optimization",
        "constraints": {"max_cost": 1000.0, "min_reliability": 0.95},
        "use_sequential_thinking": True,
    },
    "apply_decision": {"dry_run": True},
    "analyze_mcp_selection": {
        "available_mcps": [
            {"id": "sequential_thinking", "cost": 0.05, "performance": 0.9},
            {"id": "cost_optimization", "cost": 0.02, "performance": 0.7},
            {"id": "graph_analysis", "cost": 0.08, "performance": 0.95},
        ],
        "task_requirements": {"complexity": "high", "budget": 100.0, "performance_target": 0.85},
    },
    "profile_mcp": {"ids": ["filesystem"]},
    "analyze_system_routing": {
        "available_systems": [
            {
                "id": "alita",
                "cost_usd": 0.02,
                "latency_ms": 2500.0,
                "successes": 90,
                "failures": 10,
            },
            {"id": "kgot", "cost_usd": 0.08, "latency_ms": 6000.0, "successes": 57, "failures": 3},
        ],
        "task_requirements": {"loss_per_failure_usd": 2.0, "max_attempts": 2},
    },
    "analyze_validation_strategies": {
        "strategies": [
            {"id": "self_check", "cycle_cost_usd": 0.01, "detection": 0.4},
            {
                "id": "cross_check",
                "cycle_cost_usd": 0.05,
                "detection": 0.7,
                "repeats": "independent",
            },
        ],
        "requirements": {"prior_error": 0.15, "escape_loss_usd": 5.0},
    },
    "submit_choice": {
        "candidate_id": "no_change",
        "thought": "A maintenance window opens at 22:00.",
    },
    "allocate": {
        "resources": {"cpu": 10, "memory": "512 MiB"},
        "purpose": "nightly build",
        "strategy": "performance_priority",
        "priority_level": "high",
        "ttl_s": 60,
    },
    "allocate_batch": {
        "requests": [
            {"resources": {"cpu": 5}, "purpose": "index", "value": 3.0, "ttl_s": 60},
            {"resources": {"cpu": 5, "memory": "64 MiB"}, "purpose": "report", "ttl_s": 60},
        ]
    },
    "reallocate": {"apply": False},
    "renew_allocation": {"ttl_s": 600},
    "release_allocation": {"used": {}},
    "report_usage": {
        "calls": [
            {"mcp": "graph_analysis", "tool": "query", "outcome": "ok", "latency_ms": 180.0, "n": 3}
        ]
    },
}
