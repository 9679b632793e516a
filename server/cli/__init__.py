"""The shell: `sro`, one group of commands a file."""
