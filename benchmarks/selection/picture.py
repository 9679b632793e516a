"""The comparison as bars."""

from collections.abc import Iterator, Mapping
from html import escape

INK, SOFT, OURS, OTHERS = "#1f2933", "#7b8794", "#2563eb", "#bfd3fb"
WIDTH, LEFT, BAR, ROW = 720, 190, 11, 36
SHOWN = ("nDCG@5", "hit@1 of 20")


def draw(measured: Mapping[str, Mapping[str, float]]) -> str:
    """A bar for each ranker and each of two figures; both lie between 0 and 1."""
    height = 60 + ROW * len(measured)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            f'width="{WIDTH}" height="{height}" font-family="system-ui, sans-serif" '
            'font-size="13" role="img">',
            "<title>Which server for a task, by text: our ranker beside others</title>",
            f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
            f'<text x="16" y="26" fill="{INK}" font-weight="600">The right server by a task\'s '
            "words: nDCG@5 among all (above), first of 20 (below)</text>",
            *_bars(measured),
            "</svg>\n",
        ]
    )


def _bars(measured: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    room = WIDTH - LEFT - 60
    for place, (name, figures) in enumerate(measured.items()):
        top = 46 + ROW * place
        colour = OURS if name == "ours" else OTHERS
        yield f'<text x="16" y="{top + 16}" fill="{INK}">{escape(name)}</text>'
        for line, figure in enumerate(SHOWN):
            value = figures[figure]
            y = top + line * (BAR + 3)
            yield (
                f'<rect x="{LEFT}" y="{y}" width="{room * value:.0f}" height="{BAR}" '
                f'fill="{colour}" opacity="{1 - 0.35 * line:g}"/>'
            )
            yield (
                f'<text x="{LEFT + room * value + 6:.0f}" y="{y + BAR - 1}" fill="{SOFT}" '
                f'font-size="11">{value:.3f}</text>'
            )
