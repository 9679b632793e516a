"""Pools, leases, and an allocator that never gives away more than there is."""
