"""Answers as pictures: what is drawn, and two ways to write it to a file."""
