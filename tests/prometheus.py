"""A real Prometheus server that scrapes a real node_exporter, both from Debian."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.processes import listening_port, until

PROGRAMS = ("prometheus", "prometheus-node-exporter")


@contextmanager
def running_prometheus(folder: Path) -> Iterator[tuple[str, str]]:
    """The server's URL and the instance that it scrapes every second."""
    if any(shutil.which(program) is None for program in PROGRAMS):
        pytest.skip("not installed: apt-get install prometheus prometheus-node-exporter")
    with ExitStack() as stack:
        instance = stack.enter_context(_listening(PROGRAMS[1]))
        (folder / "prometheus.yml").write_text(
            "global: {scrape_interval: 1s}\n"
            f"scrape_configs: [{{job_name: node, static_configs: [{{targets: ['{instance}']}}]}}]\n"
        )
        served = stack.enter_context(
            _listening(
                PROGRAMS[0],
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
            )
        )
        yield f"http://{served}", instance


@contextmanager
def _listening(program: str, *options: str) -> Iterator[str]:
    """Host and port of a program, on a port that the kernel chose."""
    command = [program, *options, "--web.listen-address=127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        try:
            yield f"127.0.0.1:{until(lambda: listening_port(child.pid))}"
        finally:
            child.terminate()
