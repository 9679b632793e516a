"""Which picture shows which answer, and how it is written to a file."""

from collections.abc import Callable, Mapping
from pathlib import Path

from server.cli.pictures.forecast import forecast
from server.cli.pictures.picture import Picture
from server.cli.pictures.png import png
from server.cli.pictures.svg import svg
from server.views import Json

PICTURES: Mapping[str, Callable[[Json], Picture]] = {"forecast_workload": forecast}
"""By operation; the others cannot be drawn."""

WRITERS: Mapping[str, Callable[[Picture], bytes]] = {
    ".svg": lambda picture: svg(picture).encode(),
    ".png": png,
}
"""By what the name of the file ends with."""


def draw(operation: str, answer: Json, file: Path) -> None:
    """Write an answer as a picture.

    Raises:
        ValueError: There is nothing to draw.
        OSError: The file cannot be written.
    """
    file.write_bytes(WRITERS[file.suffix.lower()](PICTURES[operation](answer)))
