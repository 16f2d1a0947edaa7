"""The words that texts have in common: what people talk about beside the symbol itself."""

from collections import Counter
from collections.abc import Iterable

from services.ingestion.sentiment.lexicon import words
from services.ingestion.sentiment.words import tokens

COMMON = words("""
about above after again all also and any are because been before being between both but can come could day did does
doing dont down during each even every few for from further get gets getting give going gonna got had has have having
her here hers him his how into its itself just know let like look lot made make makes many may maybe might more most
much must need never not now off once one only other our ours out over own people per really said same say says see
she should since some still such take than that thats the their them then there these they thing things think this
those through time today too under until very want was way week well were what when where which while who why will
with would yeah year years yes yet you your youre ill ive didnt doesnt wont cant isnt
""")


def keywords(texts: Iterable[str], most: int = 10) -> dict[str, int]:
    """Words by the number of texts that have them, most first, ties by the alphabet; slang phrases are one word."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update({token for token in tokens(text) if len(token) > 2 and token.isalpha() and token not in COMMON})
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most])
