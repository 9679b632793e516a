"""`sro forecast`: bands and sparklines."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from server.cli.tables.glyphs import (
    UNKNOWN,
    hour,
    marked,
    number,
    plain_table,
    reasons,
    sparkline,
)
from server.views import Json

WIDTH = 48
"""Most blocks in a sparkline; a longer horizon shows the highest of each few hours."""


def forecast(answer: Json) -> RenderableType:
    """The band of each metric over the horizon, its peak, and what follows from it."""
    if not answer["forecast_available"]:
        return Group(Text(f"No forecast: {answer['reason']}", style="yellow"))
    return Group(
        Text(f"Next {answer['forecast_horizon_hours']} hours"),
        *[line for metric in answer.get("metrics", {}).values() for line in _band(metric)],
        *marked("!", [_saturates(fact) for fact in answer.get("saturation", ())], "red"),
        *marked("→", [_recommends(fact) for fact in answer["scaling_recommendations"]]),
        *marked("☾", [_quiet(window) for window in answer.get("quiet_windows", ())[:3]], "green"),
        *marked("!", answer.get("warnings", ()), "yellow"),
        *reasons(answer.get("unknown")),
    )


def _band(metric: Json) -> Iterator[RenderableType]:
    """The median and both ends of the 80 % band, on one scale."""
    quantiles = metric["quantiles"]
    low = min(quantiles["0.1"])
    high = max(quantiles["0.9"])
    table = plain_table("", "", "lowest", "highest", right=(2, 3))
    for name, level in (("90 %", "0.9"), ("50 %", "0.5"), ("10 %", "0.1")):
        values = quantiles[level]
        drawn = sparkline(_thinned(values), low=low, high=high)
        table.add_row(name, drawn, number(min(values)), number(max(values)))
    yield Text.assemble("\n", (metric["metric"], "bold"), f", {metric['unit']}", _record(metric))
    yield table


def _thinned(values: list[float]) -> list[float]:
    step = -(-len(values) // WIDTH)
    return [max(values[start : start + step]) for start in range(0, len(values), step)]


def _record(metric: Json) -> tuple[str, str]:
    """How the model did: on what it said before it happened, else on the recent past again."""
    served = [score for score in metric.get("served", {}).values() if score["skill"] is not None]
    if served:
        said = ", ".join(
            f"{lead} {score['skill']:+.0%}"
            for lead, score in metric["served"].items()
            if score["skill"] is not None
        )
        return (f"  {metric['model']}, served forecasts against yesterday: {said}", "dim")
    score = metric.get("backtest")
    if not score or score.get("skill") is None:
        return (f"  {metric['model']}, no track record yet", "dim")
    return (
        f"  {metric['model']}, {score['skill']:+.0%} against repeating yesterday in the back-test, "
        f"{score['n']} hours compared",
        "dim",
    )


def skill(answer: Json) -> RenderableType:
    """How served forecasts did, by metric and lead."""
    table = plain_table(
        "metric", "ahead", "compared", "skill", "in 80 % band", "band x", right=(2, 3, 4, 5)
    )
    for metric, scores in answer["metrics"].items():
        for score in scores:
            table.add_row(
                metric,
                score["lead"],
                f"{score['n']:,}",
                _percent(score["skill"], sign=True),
                _percent(score["coverage"]),
                f"{score['width_factor']:.2f}",
            )
    told = Text(f"Forecasts of {answer['host']} served in the last {answer['days']} days")
    return Group(told, *([table] if answer["metrics"] else []), *marked("!", answer["notes"]))


def _percent(share: float | None, *, sign: bool = False) -> str:
    if share is None:
        return UNKNOWN
    return f"{share:+.0%}" if sign else f"{share:.0%}"


def _saturates(fact: Json) -> str:
    return (
        f"{fact['metric']} may reach {fact['limit']:g} at {hour(fact['at'])} "
        f"(probability {fact['probability']:.0%} in the worst hour)"
    )


def _recommends(fact: Json) -> str:
    return f"{fact['type']} by {fact['target_increase']} ({fact['priority']}): {fact['reason']}"


def _quiet(window: Json) -> str:
    return (
        f"quiet from {hour(window['start'])} to {hour(window['end'])}: "
        f"cpu stays below {window['cpu_usage']:.0f} % with 90 %"
    )
