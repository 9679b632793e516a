"""The best plan that holds every limit: candidates, front, objective, steps."""
