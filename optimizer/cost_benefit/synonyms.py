"""Words that tasks and tool descriptions use for the same thing.

Written by hand from the everyday vocabulary of MCP servers. A group is symmetric: a task that says
one of its words also looks for the others, at a lower weight (see relevance.py).
"""

from optimizer.cost_benefit.stemmer import stem

_GROUPS = """
image picture photo photograph figure illustration drawing
image edit crop resize rotate filter
ppt pptx powerpoint presentation slide deck
doc docx word document
xls xlsx excel spreadsheet sheet csv workbook
md markdown txt text file
pdf document
buy purchase shop shopping order store product ecommerce
price cost cheap discount deal coupon sale
weather forecast temperature climate rain
map location place address geographic direction route navigation coordinate nearby
stock share ticker equity market finance financial investment invest trading
crypto cryptocurrency bitcoin ethereum blockchain token coin nft web3 defi
money currency exchange
movie film cinema tv show series streaming
theater theatre musical broadway
flight airline airport plane
hotel accommodation stay lodging airbnb
trip travel vacation tourist tourism itinerary tour destination
train railway rail
ticket concert festival
news headline trending hot
social twitter tweet instagram reddit
email mail gmail inbox
message chat slack sms
code coding programming program software developer script
repository github git repo
package library dependency npm
website web site webpage url page link
browser browse chrome
search find lookup discover query
file folder directory path filesystem
save write store
translate translation language
language spanish french english chinese japanese vocabulary grammar
job career resume employment hiring cv
music song artist playlist spotify album lyric
audio sound voice speech podcast
recipe cook cooking food meal ingredient dish diet nutrition
drink cocktail beverage bar wine
restaurant dining
video youtube clip
paper article research academic arxiv scholar publication journal literature
math mathematical calculate calculator calculation compute equation
statistics statistical dataset analytics
calendar schedule event meeting appointment
todo task reminder note list
chart graph plot diagram visualization visualize
mindmap mind map
house home property apartment rent housing estate realty mortgage
doctor medical health medicine disease clinical drug treatment cancer patient biomedical
fitness workout exercise training gym
law legal lawyer court
game gaming play player
sport team league football basketball soccer baseball nba nfl mlb nhl
book novel reading library author
learn course education study tutorial teach lesson student school university
child kid children family parent baby
art artist painting museum artwork exhibition
design logo visual banner
clothes clothing apparel fashion shirt outfit wear
database sql table
clock time timezone date
car vehicle auto automobile dealer drive
gift present
astrology horoscope zodiac tarot
wiki wikipedia encyclopedia knowledge fact
summarize summary
command terminal shell ssh
cloud aws azure gcp infrastructure deploy
seo keyword ranking
ad advertising marketing campaign
customer lead sale crm
company business corporate firm
history historical ancient
charity donate donation nonprofit
pet dog cat animal
security vulnerability scan
docker container kubernetes pod cluster
jira issue sprint ticket project
payment pay stripe invoice billing checkout
analytics metric dashboard report monitor
scrape crawl extract
screenshot capture
phone call contact telephone number
memory remember recall
barcode qr
domain dns ip whois network
log error debug trace exception
backup restore
password encrypt credential secret vault
zip archive compress
joke humor meme funny fun
election politics political vote government
bible quran religion religious verse scripture
plant garden gardening flower
energy electricity power solar
space nasa astronomy planet satellite
earthquake disaster storm
tax accounting bookkeeping
insurance policy
loan credit bank banking
patent trademark invention
rewrite paraphrase proofread grammar
wedding party
coffee tea
uber taxi ride
parcel delivery shipping package track tracking
survey form poll questionnaire
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
