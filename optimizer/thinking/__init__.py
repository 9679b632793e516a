"""A chain of thoughts beside a decision: Question in, Verdict out; it knows no room."""
