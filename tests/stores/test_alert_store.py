"""Alerts in every kind of store: raised once, cleared once, and there after a restart."""

from datetime import timedelta

from optimizer.events import AlertChanged, Event, EventBus
from optimizer.monitoring.alerts import Change, Crossing
from optimizer.monitoring.monitor import PerformanceMonitor
from optimizer.monitoring.sample import Alert
from optimizer.store.alerts import AlertStore
from optimizer.store.engine import Database
from tests.optimizer.monitoring.fakes import NOON, FakeMachine, FakeTime

MINUTE = timedelta(minutes=1)


def an_alert(level: str = "warning", **other: object) -> Alert:
    plain: dict[str, object] = {
        "metric": "cpu_usage",
        "level": level,
        "value": 91.5,
        "threshold": 85.0,
        "direction": "above",
        "raised_at": NOON,
    }
    return Alert.model_validate(plain | other)


async def test_a_level_ends_when_the_next_begins(database: Database) -> None:
    store, mild, bad = AlertStore(database), an_alert(), an_alert("critical")

    await store.change("here", [Change("cpu_usage", "warning", mild)], at=NOON)
    await store.change("here", [Change("cpu_usage", "critical", bad)], at=NOON + MINUTE)
    assert await store.standing("here") == (bad,)
    await store.change("here", [Change("cpu_usage", "cleared", bad)], at=NOON + 2 * MINUTE)

    past = await store.recent("here")
    assert [(one.alert.level, one.cleared_at) for one in past] == [
        ("critical", NOON + 2 * MINUTE),
        ("warning", NOON + MINUTE),
    ]
    assert await store.standing("here") == ()


async def test_what_is_expected_and_what_is_so_are_two_alerts(database: Database) -> None:
    store, expected = AlertStore(database), an_alert(expected_at=NOON + 60 * MINUTE)
    await store.change("here", [Change("cpu_usage", "warning", an_alert())], at=NOON)
    await store.change("here", [Change(expected.key, "warning", expected)], at=NOON)

    await store.change("here", [Change("cpu_usage", "cleared", an_alert())], at=NOON)

    assert await store.standing("here") == (expected,)
    assert await store.standing("elsewhere") == ()


async def test_a_restart_raises_no_alert_a_second_time_and_clears_it_once(
    database: Database,
) -> None:
    heard: list[tuple[str, str]] = []
    events = EventBus()

    def listen(event: Event) -> None:
        if isinstance(event, AlertChanged):
            heard.append((event.metric, event.level))

    events.subscribe(listen)
    machine, time = FakeMachine(cpu=95.0), FakeTime()

    def monitor() -> PerformanceMonitor:
        return PerformanceMonitor(
            machine=machine,
            alert_keeper=AlertStore(database),
            events=events,
            host="here",
            clock=time.clock,
            monotonic=time.monotonic,
        )

    first, second = monitor(), monitor()
    await first.start()
    await first.sample_once()
    soon = Crossing("memory_usage", limit=90.0, peak=97.0, at=NOON + 60 * MINUTE)
    await first.foresee([soon], covered={"memory_usage"}, until=NOON + 600 * MINUTE)
    await first.stop()
    await second.start()
    await second.sample_once()
    assert [alert.key for alert in second.alerts] == ["cpu_usage", "expected_memory_usage"]
    machine.cpu = 10.0
    await second.sample_once()
    await second.stop()

    assert heard == [
        ("cpu_usage", "critical"),
        ("expected_memory_usage", "warning"),
        ("cpu_usage", "cleared"),
    ]
