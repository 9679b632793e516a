import struct
import zlib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner

from server.cli import forecast as command
from server.cli.commands import sro
from server.cli.pictures.forecast import forecast
from server.cli.pictures.png import SCALE, png
from server.cli.pictures.written import draw
from server.views import Json, plain
from tests.doors import nouns

SVG = "{http://www.w3.org/2000/svg}"

ANSWER = plain(nouns.FORECAST)


def pixels(data: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The picture in a PNG file, read by its specification; every check sum has to hold."""
    assert data[:8] == bytes([137, 80, 78, 71, 13, 10, 26, 10])
    at, chunks = 8, []
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        assert struct.unpack(">I", data[at + 8 + length : at + 12 + length]) == (
            zlib.crc32(kind + body),
        )
        chunks.append((kind, body))
        at += 12 + length
    assert [kind for kind, _ in chunks] == [b"IHDR", b"IDAT", b"IEND"]
    width, height = struct.unpack(">II", chunks[0][1][:8])
    rows = np.frombuffer(zlib.decompress(chunks[1][1]), np.uint8).reshape(height, 1 + 3 * width)
    assert not rows[:, 0].any()
    return rows[:, 1:].reshape(height, width, 3)


def test_an_svg_file_shows_the_band_the_middle_and_the_name_of_each_metric(tmp_path: Path) -> None:
    file = tmp_path / "forecast.svg"

    draw("forecast_workload", ANSWER, file)

    root = ElementTree.fromstring(file.read_text())
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert "cpu_usage, %: 0.5 quantile and 80 % band" in texts
    assert len(list(root.iter(f"{SVG}polygon"))) == len(ANSWER["metrics"])


def test_a_png_file_shows_the_band_around_the_middle() -> None:
    picture = forecast(ANSWER)

    shown = pixels(png(picture))

    assert shown.shape == (SCALE * picture.height, SCALE * picture.width, 3)
    column = shown[:, shown.shape[1] // 2].astype(int)
    bluish = np.flatnonzero(column[:, 2] - column[:, 0] > 20)
    dark = np.flatnonzero(column.max(axis=1) < 80)
    assert bluish.min() < dark.min() <= dark.max() < bluish.max()
    corner = shown[:5, :5]
    assert (corner == 255).all()


def test_a_limit_is_drawn_where_a_metric_is_about_to_reach_it() -> None:
    limited = {**ANSWER, "saturation": [{"metric": "cpu_usage", "limit": 85.0}]}

    shown = pixels(png(forecast(limited))).astype(int)

    reddish = (shown[:, :, 0] - shown[:, :, 2] > 100).sum(axis=1)
    assert reddish.max() > shown.shape[1] / 2


def test_constant_and_huge_values_are_drawn() -> None:
    metric: Json = next(iter(ANSWER["metrics"].values()))
    for value in (0.0, 5e12):
        quantiles = {name: [value] * 12 for name in metric["quantiles"]}
        flat = {**ANSWER, "metrics": {"x": {**metric, "quantiles": quantiles}}}

        assert len(png(forecast(flat))) > 1000


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "answered", lambda operation, values: ANSWER)


@pytest.mark.usefixtures("answered")
def test_sro_forecast_draws_into_a_file_and_refuses_what_it_cannot_write(tmp_path: Path) -> None:
    run = CliRunner().invoke
    svg, png = tmp_path / "f.svg", tmp_path / "F.PNG"

    assert run(sro, ["forecast", "--plot", str(svg)]).exit_code == 0
    assert run(sro, ["forecast", "--plot", str(png)]).exit_code == 0
    refused = run(sro, ["forecast", "--plot", "f.jpg"])
    nowhere = run(sro, ["forecast", "--plot", str(tmp_path / "no" / "f.svg")])

    assert svg.read_text().startswith("<svg")
    assert pixels(png.read_bytes()).any()
    assert (refused.exit_code, "must end in .svg or .png" in refused.stderr) == (2, True)
    assert (nowhere.exit_code, "No such file" in nowhere.stderr) == (1, True)


def test_without_a_forecast_there_is_nothing_to_draw(tmp_path: Path) -> None:
    answer = {"forecast_available": False, "reason": "0 hours of history recorded, 3 needed"}

    with pytest.raises(ValueError, match="no forecast to draw: 0 hours"):
        draw("forecast_workload", answer, tmp_path / "f.svg")
