"""A picture as SVG."""

from collections.abc import Sequence
from xml.sax.saxutils import escape

from server.cli.pictures.picture import Area, Colour, Label, Line, Picture, Point, Shape

FONT = "font-family='DejaVu Sans, Helvetica, Arial, sans-serif' font-size='12'"


def svg(picture: Picture) -> str:
    """The text of an SVG file."""
    size = f"width='{picture.width}' height='{picture.height}'"
    box = f"viewBox='0 0 {picture.width} {picture.height}'"
    return "\n".join(
        [
            f"<svg xmlns='http://www.w3.org/2000/svg' {size} {box} {FONT}>",
            "<rect width='100%' height='100%' fill='white'/>",
            *map(_element, picture.shapes),
            "</svg>\n",
        ]
    )


def _element(shape: Shape) -> str:
    match shape:
        case Area():
            points = _points([*shape.upper, *reversed(shape.lower)])
            fill = f"fill='{_hex(shape.colour)}' fill-opacity='{shape.opacity:g}'"
            return f"<polygon points='{points}' {fill}/>"
        case Line():
            stroke = f"stroke='{_hex(shape.colour)}' stroke-width='{shape.width:g}'"
            return f"<polyline points='{_points(shape.points)}' fill='none' {stroke}/>"
        case Label():
            x, y = shape.at
            fill = f"text-anchor='{shape.anchor}' fill='{_hex(shape.colour)}'"
            return f"<text x='{x:.1f}' y='{y:.1f}' {fill}>{escape(shape.text)}</text>"


def _points(points: Sequence[Point]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
