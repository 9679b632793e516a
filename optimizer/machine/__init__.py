"""The only reader of /proc, /sys and psutil: what this machine has, and may be used of it."""
