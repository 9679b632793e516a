"""Answers as a person reads them in a terminal, one group of commands a file."""
