"""What a language model wrote is shown only if it says nothing that it was not told."""

import re

from workers.books.word_facts import WordFacts
from workers.books.word_prompt import INSTRUCTIONS, MAX_WORDS, OPENERS, Words

MAX_CHARACTERS = 250
# As many words in a row of the instructions are an echo of them.
ECHO_WORDS = 5

WORD = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*")
SENTENCE_END = re.compile(r"[.!?:\u2026]+\s+")
NUMBER = re.compile(r"\d+")
# Signs of markup and of addresses; a point inside a word is an address, or initials.
MARKUP = re.compile(r"[<>{}\[\]\\`*_#|~^@=/]")
POINTED = re.compile(r"\w+(?:\.\w+)+")
QUOTED = re.compile(
    r'["\u201c\u201d\u00ab\u00bb]([^"\u201c\u201d\u00ab\u00bb]*)["\u201c\u201d\u00ab\u00bb]?'
)
CURLY = "\u2019"
NUMBERS = """
two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen twenty thirty
forty fifty sixty hundred hundreds thousand thousands million millions dozen dozens half second
third
"""
NUMBER_WORDS = frozenset(NUMBERS.split())
# Words of claims that are easily invented, of other children, and of a model that speaks of itself.
CLAIMED = """
award awards awarded award-winning prize prizes prizewinning prize-winning winner winners winning
medal bestseller bestsellers bestselling best-selling best-seller acclaimed celebrated famous
classic page pages chapter chapters edition film movie stars rated rating published publication
publisher century copies translated grade grades teacher class classmate classmates friend friends
ai assistant model prompt instruction instructions instructed json sorry cannot unable
"""
CLAIMS = frozenset(CLAIMED.split())


def fault_of(words: Words, facts: WordFacts) -> str | None:
    """Name what is wrong with a model's words, as a code; None when they may be shown."""
    told = facts.text.replace(CURLY, "'")
    for text in filter(None, (words.reason, words.blurb)):
        fault = _fault(text.replace(CURLY, "'"), told)
        if fault is not None:
            return fault
    if not words.reason:
        return "empty"
    return "blurb_of_nothing" if words.blurb and not facts.description else None


def _fault(text: str, told: str) -> str | None:  # noqa: PLR0911 (a list of checks)
    if len(text.split()) > MAX_WORDS or len(text) > MAX_CHARACTERS:
        return "too_long"
    if not text.isprintable() or MARKUP.search(text):
        return "markup"
    known = _folded(told)
    if not set(POINTED.findall(text)) <= set(POINTED.findall(told)):
        return "address"
    if not set(NUMBER.findall(text)) <= set(NUMBER.findall(told)):
        return "number"
    said = _folded(text)
    if said & NUMBER_WORDS - known:
        return "number"
    if said & CLAIMS - known:
        return "claim"
    if any(
        quoted.strip(" ,.!?").casefold() not in told.casefold() for quoted in QUOTED.findall(text)
    ):
        return "quotation"
    if _names(text) - known:
        return "name"
    return "echo" if _runs(text) & _runs(INSTRUCTIONS) else None


def _names(text: str) -> set[str]:
    """Find words with a capital that no sentence's beginning explains, folded."""
    found: set[str] = set()
    for sentence in SENTENCE_END.split(text):
        words = [_bare(word) for word in WORD.findall(sentence)]
        if words and words[0] not in OPENERS and words[0][0].isupper():
            found.add(words[0].casefold())
        found |= {word.casefold() for word in words[1:] if word[0].isupper() and word != "I"}
    return found


def _folded(text: str) -> set[str]:
    """Gather the words of a text, folded, and the parts of those with a hyphen."""
    words = [_bare(word).casefold() for word in WORD.findall(text)]
    return {*words, *(part for word in words for part in word.split("-"))}


def _bare(word: str) -> str:
    """Take the possessive off.

    >>> _bare("Lewis's"), _bare("You've")
    ('Lewis', "You've")
    """
    return word if word in OPENERS else word.removesuffix("'s")


def _runs(text: str) -> set[tuple[str, ...]]:
    """Gather the runs of words that would be an echo."""
    words = [word.casefold() for word in WORD.findall(text)]
    return {tuple(words[at : at + ECHO_WORDS]) for at in range(len(words) - ECHO_WORDS + 1)}
