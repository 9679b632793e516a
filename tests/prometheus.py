"""A real Prometheus server that scrapes a real node_exporter, both from Debian."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

PROGRAMS = ("prometheus", "prometheus-node-exporter")


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def running_prometheus(folder: Path) -> Iterator[tuple[str, str]]:
    """The server's URL and the instance that it scrapes every second."""
    if any(shutil.which(program) is None for program in PROGRAMS):
        pytest.skip("not installed: apt-get install prometheus prometheus-node-exporter")
    instance, served = (f"127.0.0.1:{free_port()}" for _ in range(2))
    (folder / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s}\n"
        f"scrape_configs: [{{job_name: node, static_configs: [{{targets: ['{instance}']}}]}}]\n"
    )
    commands = (
        [PROGRAMS[1], f"--web.listen-address={instance}"],
        [
            PROGRAMS[0],
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={served}",
        ],
    )
    with ExitStack() as stack:
        for command in commands:
            child = stack.enter_context(
                subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            )
            stack.callback(child.terminate)
        yield f"http://{served}", instance
