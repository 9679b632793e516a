"""What is coming: models, their back-tests, and the planner that combines them."""
