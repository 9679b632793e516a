"""Rooms that measure, forecast, weigh, allocate and decide; see docs/ARCHITECTURE.md."""
