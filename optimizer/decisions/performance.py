"""Levels of use to time spent waiting: queueing."""

import math


def erlang_c(servers: int, offered: float) -> float:
    """The probability that a request has to wait (M/M/c).

    Args:
        servers: Servers that work side by side, at least 1.
        offered: Offered load in erlangs: arrivals per second times seconds of service each, less
            than `servers`.

    Returns:
        A probability; 0.8 for one server at 0.8 erlang.

    Source: Erlang, 1917; by the stable recursion of Erlang B (Jagerman, Bell System Technical
    Journal 53 (1974) 525-551).
    """
    blocked = 1.0
    for server in range(1, servers + 1):
        blocked = offered * blocked / (server + offered * blocked)
    utilisation = offered / servers
    return blocked / (1 - utilisation * (1 - blocked))


def response_time(servers: int, arrivals_per_s: float, service_s: float) -> float:
    """Mean time from a request's arrival to its answer (M/M/c).

    Args:
        servers: Servers that work side by side, at least 1.
        arrivals_per_s: Requests per second.
        service_s: Seconds that one server works on one request, more than 0.

    Returns:
        Seconds; infinity when requests arrive faster than they can be answered.
    """
    offered = arrivals_per_s * service_s
    if offered >= servers:
        return math.inf
    waiting = erlang_c(servers, offered) / (servers / service_s - arrivals_per_s)
    return waiting + service_s


def stretch(utilisation: float) -> float:
    """How many times its bare service time a request takes: W / S = 1 / (1 - rho).

    The formula of one server with processor sharing; used where arrivals and service times were not
    measured. Only the ratio of two stretches is reported.

    Args:
        utilisation: Busy share, at least 0.

    Returns:
        At least 1; infinity from full use on.
    """
    return math.inf if utilisation >= 1 else 1 / (1 - utilisation)


def improvement(demand: float, before: float, after: float) -> float | None:
    """How much shorter responses get when capacity changes under the same demand, in %.

    Args:
        demand: Busy capacity, at least 0.
        before: Capacity today, more than 0, in the unit of the demand.
        after: Capacity then, more than 0.

    Returns:
        100 (1 - W_after / W_before), negative for longer ones; None when the demand fills either
        capacity, because there is no steady response time then.
    """
    today, then = stretch(demand / before), stretch(demand / after)
    if math.isinf(today) or math.isinf(then):
        return None
    return 100 * (1 - then / today)
