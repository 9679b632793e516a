"""File trees that stand in for machines."""

from collections.abc import Mapping
from pathlib import Path

V2_MOUNT = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"

V1_MOUNTS = (
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
)

PROC = {
    "proc/stat": "cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 60 0 30 400 10 0 0 0 0 0\n"
    "cpu1 40 0 20 400 40 0 0 0 0 0\nintr 1\n",
    "proc/meminfo": "MemTotal:       1000 kB\nMemFree:         300 kB\nMemAvailable:    600 kB\n"
    "SwapTotal:       200 kB\nSwapFree:        150 kB\nHugePages_Total: 0\n",
    "proc/net/dev": "Inter-|   Receive  |  Transmit\n face |bytes packets|bytes\n"
    "    lo: 999 1 0 0 0 0 0 0 999 1 0 0 0 0 0 0\n"
    "  eth0: 1000 9 3 0 0 0 0 0 2000 9 4 0 0 0 0 0\n"
    "docker0: 70 9 0 0 0 0 0 0 80 9 0 0 0 0 0 0\n",
    "proc/pressure/cpu": "some avg10=1.50 avg60=0.00 avg300=0.00 total=0\n"
    "full avg10=9.00 avg60=0.00 avg300=0.00 total=0\n",
    "proc/pressure/memory": "some avg10=0.25 avg60=0.00 avg300=0.00 total=0\n",
    "sys/class/net/eth0/device/vendor": "0x1af4",
    "sys/class/net/eth0/operstate": "up\n",
    "sys/class/net/eth0/speed": "1000\n",
    "sys/class/net/eth1/device/vendor": "0x1af4",
    "sys/class/net/eth1/operstate": "down\n",
    "sys/class/net/eth1/speed": "10000\n",
    "sys/class/net/docker0/speed": "20000\n",
    "sys/class/net/docker0/operstate": "up\n",
    "sys/block/vda/device/vendor": "0x1af4",
    "sys/block/vda/stat": "      10        0      100        5       20        0      200        6"
    "        0        7        8\n",
    "sys/block/loop0/stat": "9 0 90 5 9 0 90 6 0 7 8\n",
    "sys/block/loop0/size": "0",
}
"""A machine of two cores and 1000 KiB, with a disk, a link and a bridge."""


def plant(root: Path, files: Mapping[str, str]) -> Path:
    """Write files below a root, in place of those that are there."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root
