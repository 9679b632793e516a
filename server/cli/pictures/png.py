"""A picture as PNG, painted here: smooth edges, letters of a bitmap font, no library for it.

Format: W3C Portable Network Graphics (third edition): signature, then chunks IHDR, IDAT, IEND.
"""

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from server.cli.pictures.font import HEIGHT, WIDTH, glyph
from server.cli.pictures.picture import Area, Colour, Label, Line, Picture, Shape

Canvas = NDArray[np.float64]
"""Red, green and blue of each pixel, 0 to 255, shape (height, width, 3)."""

SCALE = 2
"""Pixels of the file for one of the picture."""

SIGNATURE = b"\x89PNG\r\n\x1a\n"
RGB, EIGHT_BITS = 2, 8


def png(picture: Picture) -> bytes:
    """The bytes of a PNG file, twice as large as the picture for sharp screens."""
    height, width = SCALE * picture.height, SCALE * picture.width
    canvas = np.full((height, width, 3), 255.0)
    for shape in picture.shapes:
        _paint(canvas, shape)
    rows = np.round(canvas).astype(np.uint8)
    unfiltered = np.hstack([np.zeros((height, 1), np.uint8), rows.reshape(height, -1)])
    head = struct.pack(">IIBBBBB", width, height, EIGHT_BITS, RGB, 0, 0, 0)
    body = zlib.compress(unfiltered.tobytes(), 9)
    return SIGNATURE + _chunk(b"IHDR", head) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    check = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)


def _paint(canvas: Canvas, shape: Shape) -> None:
    match shape:
        case Area():
            _paint_area(canvas, shape)
        case Line():
            for start, end in zip(shape.points, shape.points[1:], strict=False):
                _paint_segment(canvas, start, end, shape.width, shape.colour)
        case Label():
            _paint_label(canvas, shape)


def _paint_area(canvas: Canvas, area: Area) -> None:
    """Column by column: each pixel takes the colour as far as it lies between the two lines."""
    upper, lower = SCALE * np.array(area.upper), SCALE * np.array(area.lower)
    first, last = int(np.ceil(upper[0, 0])), int(np.floor(upper[-1, 0]))
    columns = np.arange(max(0, first), min(canvas.shape[1], last + 1))
    top = np.interp(columns, upper[:, 0], upper[:, 1])
    bottom = np.interp(columns, lower[:, 0], lower[:, 1])
    rows = np.arange(canvas.shape[0])[:, None]
    inside = np.clip(np.minimum(rows + 1, bottom) - np.maximum(rows, top), 0.0, 1.0)
    _blend(canvas[:, columns[0] : columns[-1] + 1], area.opacity * inside, area.colour)


def _paint_segment(
    canvas: Canvas,
    start: tuple[float, float],
    end: tuple[float, float],
    width: float,
    colour: Colour,
) -> None:
    """Each pixel takes the colour as far as it lies within half a width of the segment."""
    a, b = SCALE * np.array(start), SCALE * np.array(end)
    half = SCALE * width / 2
    left, top = np.maximum(np.floor(np.minimum(a, b) - half - 1), 0).astype(int)
    right, bottom = np.ceil(np.maximum(a, b) + half + 2).astype(int)
    window = canvas[top:bottom, left:right]
    y, x = np.mgrid[top : top + window.shape[0], left : left + window.shape[1]] + 0.5
    along = b - a
    share = ((x - a[0]) * along[0] + (y - a[1]) * along[1]) / max(float(along @ along), 1e-9)
    share = np.clip(share, 0.0, 1.0)
    distance = np.hypot(x - a[0] - share * along[0], y - a[1] - share * along[1])
    _blend(window, np.clip(half + 0.5 - distance, 0.0, 1.0), colour)


def _paint_label(canvas: Canvas, label: Label) -> None:
    step = SCALE * (WIDTH + 1)
    long = step * len(label.text) - SCALE
    begin = {"start": 0.0, "middle": long / 2, "end": long}[label.anchor]
    x = round(SCALE * label.at[0] - begin)
    y = round(SCALE * label.at[1]) - SCALE * HEIGHT
    for index, letter in enumerate(label.text):
        dots = glyph(letter).repeat(SCALE, axis=0).repeat(SCALE, axis=1)
        left = x + step * index
        window = canvas[max(0, y) : y + dots.shape[0], max(0, left) : left + dots.shape[1]]
        _blend(window, dots[: window.shape[0], : window.shape[1]], label.colour)


def _blend(window: Canvas, share: NDArray[np.float64], colour: Colour) -> None:
    window += share[:, :, None] * (np.array(colour) - window)
