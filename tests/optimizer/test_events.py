import logging
from datetime import UTC, datetime

import pytest

from optimizer.events import Event, EventBus

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_listeners_hear_in_order_until_they_leave() -> None:
    bus, heard = EventBus(), list[str]()
    leave = bus.subscribe(lambda _: heard.append("first"))
    bus.subscribe(lambda _: heard.append("second"))

    bus.publish(Event(NOON))
    leave()
    leave()
    bus.publish(Event(NOON))

    assert heard == ["first", "second", "second"]


def test_a_listener_that_fails_is_logged_and_does_not_stop_the_rest(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bus, heard = EventBus(), list[Event]()

    def fail(_: Event) -> None:
        raise ValueError("broken listener")

    bus.subscribe(fail)
    bus.subscribe(heard.append)

    with caplog.at_level(logging.ERROR):
        bus.publish(Event(NOON))

    assert heard == [Event(NOON)]
    assert "broken listener" in caplog.text
