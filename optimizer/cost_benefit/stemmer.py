"""English words to their stems: the Porter2 algorithm, written for speed.

Source: M. Porter and R. Boulton, "The English (Porter2) stemming algorithm", Snowball 3.1 rules.
"""

import re
from functools import lru_cache

_EXCEPTIONS = {
    "skis": "ski",
    "skies": "sky",
    "idly": "idl",
    "gently": "gentl",
    "ugly": "ugli",
    "early": "earli",
    "only": "onli",
    "singly": "singl",
} | {word: word for word in ("sky", "news", "howe", "atlas", "cosmos", "bias", "andes")}

_STEP_2 = {
    "ization": "ize",
    "ational": "ate",
    "fulness": "ful",
    "ousness": "ous",
    "iveness": "ive",
    "tional": "tion",
    "biliti": "ble",
    "lessli": "less",
    "entli": "ent",
    "ation": "ate",
    "alism": "al",
    "aliti": "al",
    "ousli": "ous",
    "iviti": "ive",
    "fulli": "ful",
    "ogist": "og",
    "enci": "ence",
    "anci": "ance",
    "abli": "able",
    "izer": "ize",
    "ator": "ate",
    "alli": "al",
    "bli": "ble",
    "ogi": "og",
    "li": "",
}
_STEP_3 = {
    "ational": "ate",
    "tional": "tion",
    "alize": "al",
    "icate": "ic",
    "iciti": "ic",
    "ative": "",
    "ical": "ic",
    "ness": "",
    "ful": "",
}
_STEP_4_SUFFIXES = "ement ance ence able ible ment ant ent ism ate iti ous ive ize ion al er ic"
_STEP_4 = dict.fromkeys(_STEP_4_SUFFIXES.split(), "")

_VOWEL = re.compile(r"[aeiouy]")
_REGION = re.compile(r"[^aeiouy]*[aeiouy]+[^aeiouy]")
_SPECIAL_REGION = re.compile(r"gener|commun|arsen|past|univers|later|emerg|organ|inter")
_CONSONANT_Y = re.compile(r"^y|(?<=[aeiouy])y")
_SHORT_SYLLABLE = re.compile(r"(?:[^aeiouy][aeiouy][^aeiouywxY]|^[aeiouy][^aeiouy]|past)\Z")
_STEP_1B = re.compile(r"(?:eedly|ingly|edly|eed|ing|ed)\Z")
_DOUBLE = frozenset(("bb", "dd", "ff", "gg", "mm", "nn", "pp", "rr", "tt"))
_KEEP_ING = frozenset(("even", "cann", "inn", "earr", "herr", "out"))


@lru_cache(maxsize=32_768)
def stem(word: str) -> str:
    """The stem of a lower-case English word of the letters a to z; others come back unchanged."""
    if len(word) < 3:
        return word
    if word in _EXCEPTIONS:
        return _EXCEPTIONS[word]
    word = _CONSONANT_Y.sub("Y", word)
    special = _SPECIAL_REGION.match(word)
    r1 = special.end() if special else _after_region(word, 0)
    r2 = _after_region(word, r1)
    word = _step_1b(_step_1a(word), r1)
    if len(word) > 2 and word[-1] in "yY" and word[-2] not in "aeiouy":
        word = word[:-1] + "i"
    word = _step_2(word, r1)
    word = _step_3(word, r1, r2)
    word = _step_4(word, r2)
    return _step_5(word, r1, r2).replace("Y", "y")


def _after_region(word: str, start: int) -> int:
    """Where the region after the next vowel and consonant begins."""
    match = _REGION.match(word, start)
    return match.end() if match else len(word)


def _step_1a(word: str) -> str:
    """Plurals."""
    if word.endswith("sses"):
        return word[:-2]
    if word.endswith(("ies", "ied")):
        return word[:-2] if len(word) > 4 else word[:-1]
    if (
        word.endswith("s")
        and not word.endswith(("us", "ss"))
        and _VOWEL.search(word, 0, len(word) - 2)
    ):
        return word[:-1]
    return word


def _step_1b(word: str, r1: int) -> str:
    """Past tenses and gerunds."""
    match = _STEP_1B.search(word)
    if match is None:
        return word
    suffix, rest = match.group(), word[: match.start()]
    if suffix.startswith("eed"):
        is_kept = match.start() < r1 or rest in ("succ", "proc", "exc")
        return word if is_kept else rest + "ee"
    if suffix == "ing":
        if rest in _KEEP_ING:
            return word
        if len(rest) == 2 and rest[1] in "yY" and rest[0] not in "aeiouy":
            return rest[0] + "ie"
    if not _VOWEL.search(rest):
        return word
    if rest.endswith(("at", "bl", "iz")):
        return rest + "e"
    if rest[-2:] in _DOUBLE:
        return rest if len(rest) == 3 and rest[0] in "aeo" else rest[:-1]
    is_short = len(rest) == r1 and _SHORT_SYLLABLE.search(rest)
    return rest + "e" if is_short else rest


def _longest_suffix(word: str, suffixes: dict[str, str], longest: int) -> str | None:
    for length in range(min(longest, len(word)), 1, -1):
        suffix = word[-length:]
        if suffix in suffixes:
            return suffix
    return None


def _step_2(word: str, r1: int) -> str:
    suffix = _longest_suffix(word, _STEP_2, 7)
    if suffix is None or len(word) - len(suffix) < r1:
        return word
    rest = word[: -len(suffix)]
    if (suffix == "ogi" and not rest.endswith("l")) or (
        suffix == "li" and rest[-1:] not in set("cdeghkmnrt")
    ):
        return word
    return rest + _STEP_2[suffix]


def _step_3(word: str, r1: int, r2: int) -> str:
    suffix = _longest_suffix(word, _STEP_3, 7)
    if suffix is None or len(word) - len(suffix) < (r2 if suffix == "ative" else r1):
        return word
    return word[: -len(suffix)] + _STEP_3[suffix]


def _step_4(word: str, r2: int) -> str:
    suffix = _longest_suffix(word, _STEP_4, 5)
    if suffix is None or len(word) - len(suffix) < r2:
        return word
    rest = word[: -len(suffix)]
    return word if suffix == "ion" and not rest.endswith(("s", "t")) else rest


def _step_5(word: str, r1: int, r2: int) -> str:
    rest = word[:-1]
    if word.endswith("e"):
        is_removed = len(rest) >= r2 or (len(rest) >= r1 and not _SHORT_SYLLABLE.search(rest))
        return rest if is_removed else word
    return rest if word.endswith("ll") and len(rest) >= r2 else word
