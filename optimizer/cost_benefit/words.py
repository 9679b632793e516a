"""Text into the words that are matched: split identifiers, no stop words, stems."""

import re
from functools import lru_cache

from optimizer.cost_benefit.stemmer import stem

_STOP_WORDS = """
    a about above after again all also am an and any are as at be because been before being below
    between both but by can could data did do does doing down during each few for from further get
    give had has have having he help her here hers him his how i if in into is it its itself just
    let like make mcp me more most my need no nor not now of off on once only or other our ours out
    over own please provide s same server she should so some such t than that the their them then
    there these they this those through to too tool under until up use used user using very via want
    was we were what when where which while who whom why will with would you your yours
"""

STOP_WORDS = frozenset(_STOP_WORDS.split())
"""English function words, and the words that say nothing among MCP servers."""

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_WORD = re.compile(r"[a-z]+|[0-9]+|[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")

_URL = re.compile(r"https?://\S+")
_PATH = re.compile(r"(?<![\w/:.])(?:[A-Za-z]:)?[~.]{0,2}(?:/[\w.\-]+){2,}/?")
_BLOB = re.compile(r"\S{60,}")


def words(text: str) -> list[str]:
    """The stems of a text in order, without stop words.

    Identifiers are split (`getStockPrice`, `get_stock_price`); digits stand alone; Chinese,
    Japanese and Korean are taken by character. Everything else is a separator, so control and
    invisible characters vanish.
    """
    found = _WORD.findall(_CAMEL.sub(" ", text).lower())
    return [stemmed for word in found if (stemmed := _stem_or_drop(word))]


def task_words(text: str) -> list[str]:
    """The stems of a task: a path says `file` and its last part, a link `url`, a blob nothing."""
    text = _BLOB.sub(" ", _URL.sub(" url ", text))
    return words(_PATH.sub(_file, text))


def _file(path: re.Match[str]) -> str:
    return f" file {path.group().rstrip('/').rpartition('/')[2]} "


@lru_cache(maxsize=32_768)
def _stem_or_drop(word: str) -> str:
    return "" if word in STOP_WORDS else stem(word)
