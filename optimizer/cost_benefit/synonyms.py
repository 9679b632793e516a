"""Words that tasks and tool descriptions use for the same thing.

Written by hand from the everyday vocabulary of MCP servers. A group is symmetric: a task that says
one of its words also looks for the others, at a lower weight (see relevance.py).
"""

from optimizer.cost_benefit.stemmer import stem

_GROUPS = """
image picture photo photograph figure illustration drawing
ppt pptx powerpoint presentation slide deck
doc docx word document
xls xlsx excel spreadsheet sheet csv
pdf document
buy purchase shop shopping order store product ecommerce
price cost cheap discount deal coupon
weather forecast temperature climate rain
map location place address geographic direction route navigation
stock share ticker equity market finance financial investment
crypto cryptocurrency bitcoin ethereum blockchain token coin nft
money currency exchange
movie film cinema tv show
flight airline airport plane
hotel accommodation stay lodging airbnb
trip travel vacation tourist tourism itinerary
train railway rail 12306
news headline trending
email mail gmail inbox
message chat slack sms
code programming program software developer script
repository github git repo
website web site webpage url page link
browser browse chrome playwright
search find lookup discover
file folder directory path filesystem
save write store
translate translation language
job career resume employment hiring
music song artist playlist spotify
recipe cook cooking food meal ingredient dish
restaurant dining
video youtube clip
paper article research academic arxiv scholar publication journal literature
math mathematical calculate calculator calculation compute equation
calendar schedule event meeting appointment
chart graph plot diagram visualization visualize
house home property apartment rent housing
doctor medical health medicine disease clinical drug
fitness workout exercise training
law legal lawyer court
game gaming play
book novel reading library
learn course education study tutorial teach lesson
database sql query table
clock time timezone date
car vehicle auto
gift present
astrology horoscope zodiac tarot
wiki wikipedia encyclopedia
podcast audio
summarize summary
command terminal shell
seo keyword
"""


def _expand() -> dict[str, tuple[str, ...]]:
    related: dict[str, list[str]] = {}
    for line in _GROUPS.split("\n"):
        group = list(dict.fromkeys(stem(word) for word in line.split()))
        for word in group:
            related.setdefault(word, []).extend(other for other in group if other != word)
    return {word: tuple(dict.fromkeys(others)) for word, others in related.items()}


SYNONYMS: dict[str, tuple[str, ...]] = _expand()
"""Stem to the stems of its group or groups."""
