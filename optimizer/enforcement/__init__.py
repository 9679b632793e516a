"""Decisions and leases made true: what changes something outside."""
