"""Numbers, dates and names: whether an answer keeps them, which is what compression loses first.

What counts as one is a matter of form: words with an upper-case letter in front are names. A single one at
the start of a sentence is none, unless it is capitalised elsewhere in the text too or is all there is; words of English
that carry no meaning of their own (bm25s' list) never are. So this suits languages that write names like
this, and nothing else. What is looked for counts as found in a document if its words occur there, one after the
other, whatever signs come between them: "London" is found in "London-based" and in "London's".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import regex

from arc_encoder.evaluation.metrics.answers import exact_match, normalise

KINDS = ("numbers", "dates", "names")
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)"
)
_DATE = regex.compile(
    rf"\b(?:\d{{1,2}}(?:st|nd|rd|th)?\s+{_MONTH}\b(?:,?\s+\d{{4}})?|{_MONTH}\s+\d{{1,2}}(?:st|nd|rd|th)?\b(?:,?\s+\d{{4}})?"
    rf"|{_MONTH},?\s+\d{{4}}|\d{{4}}-\d{{2}}-\d{{2}}|(?:1\d|20)\d{{2}})\b",
    regex.IGNORECASE,
)
_NUMBER = regex.compile(r"(?<![\p{L}\d])\d+(?:[.,]\d+)*")
_TITLE = r"(?:Dr|Mr|Mrs|Ms|Prof|St|Sen|Gen|Col|Capt|Lt|Sgt|Rev)"
_SHORT = r"(?:\p{Lu}\.){2,}"  # U.S.
_PART = rf"(?<![\p{{L}}\p{{N}}])(?:{_SHORT}|\p{{Lu}}[\p{{L}}\p{{M}}\p{{N}}]*(?:['’-][\p{{L}}\p{{N}}][\p{{L}}\p{{M}}\p{{N}}]*)*)"  # of a name
_NAME = regex.compile(rf"{_PART}(?:(?:(?<=\b{_TITLE})\.)?\s+{_PART})*")
_START = regex.compile(r"(?:^|[.!?:]\s+|\n\s*)$")
_OWN = regex.compile(r"['’]s$")  # of "Anna's"
_WORDS = regex.compile(r"[\p{L}\p{M}\p{N}]+")
LONG = 4  # words; in longer texts the first word of a sentence says nothing


def pieces(text: str) -> dict[str, set[str]]:
    """Numbers, dates and names of a text, normalised; a number inside a date is no number of its own."""
    dates = [match.group() for match in _DATE.finditer(text)]
    rest = _DATE.sub(" ", text)
    names = set()
    for match in _NAME.finditer(rest):
        words = [_OWN.sub("", word).replace(".", "") for word in match.group().split()]
        while words and words[0].lower() in _meaningless():
            words = words[1:]
        begins = len(words) == len(match.group().split()) and _START.search(rest[: match.start()])
        if begins and len(words) == 1 and len(text.split()) > LONG:
            continue
        names.add(_plain(" ".join(words)))
    found = {
        "numbers": {match.group().replace(",", "") for match in _NUMBER.finditer(rest)},
        "dates": {_plain(date) for date in dates},
        "names": names,
    }
    return {kind: {each for each in found[kind] if each} for kind in KINDS}


def faithfulness(prediction: str, document: str) -> dict[str, tuple[float, float]]:
    """Share of the prediction's numbers, dates and names that occur in the document.

    Returns:
        metric → (percent, how many there were); no piece has weight 0.
    """
    plain, joined = f" {_plain(document)} ", f" {normalise(document)} "  # "US" is found in "the U.S."
    numbers = {match.group().replace(",", "") for match in _NUMBER.finditer(document)}
    scores = {}
    for kind, found in pieces(prediction).items():
        kept = sum(
            (each in numbers) if kind == "numbers" else (f" {each} " in plain or f" {each} " in joined)
            for each in found
        )
        scores[f"faithful_{kind}"] = (100.0 * kept / len(found) if found else 0.0, float(len(found)))
    return scores


def _plain(text: str) -> str:
    """The words of a text in small letters, without what comes between them."""
    return " ".join(_WORDS.findall(text)).lower()


@lru_cache(maxsize=1)
def _meaningless() -> frozenset[str]:
    from bm25s.stopwords import STOPWORDS_EN_PLUS

    return frozenset(STOPWORDS_EN_PLUS)


def exact_match_by_kind(prediction: str, answers: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Exact match of the questions whose answer has a number, a date or a name; the others have weight 0."""
    right = exact_match(prediction, answers)
    wanted: Mapping[str, set[str]] = pieces(answers[0])
    return {f"exact_match_{kind}": (right, float(bool(wanted[kind]))) for kind in KINDS}
