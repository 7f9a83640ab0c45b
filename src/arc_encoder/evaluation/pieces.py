"""Numbers, dates and names: whether an answer keeps them, which is what compression loses first.

What counts as one is a matter of form: words with an upper-case letter in front are names (not at
the start of a sentence, unless they stand so elsewhere in the text), so this serves languages that
write names like this and nothing else so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import regex

from arc_encoder.evaluation.metrics import exact_match, normalise

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
_NAME = regex.compile(r"\p{Lu}[\p{L}\p{M}'’-]*(?:\s+\p{Lu}[\p{L}\p{M}'’-]*)*")
_START = regex.compile(r"(?:^|[.!?:]\s+|\n\s*)$")


def pieces(text: str) -> dict[str, set[str]]:
    """Numbers, dates and names of a text, normalised; a number inside a date is no number of its own."""
    dates = [match.group() for match in _DATE.finditer(text)]
    rest = _DATE.sub(" ", text)
    names = set()
    for match in _NAME.finditer(rest):
        words = match.group().split()
        if _START.search(rest[: match.start()]) and len(words) == 1 and len(text.split()) > 4:
            continue  # the first word of a sentence says nothing
        names.add(normalise(match.group()))
    found = {
        "numbers": {match.group().replace(",", "") for match in _NUMBER.finditer(rest)},
        "dates": {normalise(date) for date in dates},
        "names": names,
    }
    return {kind: {each for each in found[kind] if each} for kind in KINDS}


def faithfulness(prediction: str, document: str) -> dict[str, tuple[float, float]]:
    """Share of the prediction's numbers, dates and names that stand in the document.

    Returns:
        metric → (percent, how many there were); no piece has weight 0.
    """
    plain = f" {normalise(document)} "
    numbers = {match.group().replace(",", "") for match in _NUMBER.finditer(document)}
    scores = {}
    for kind, found in pieces(prediction).items():
        kept = sum((each in numbers) if kind == "numbers" else (f" {each} " in plain) for each in found)
        scores[f"faithful_{kind}"] = (100.0 * kept / len(found) if found else 0.0, float(len(found)))
    return scores


def exact_match_by_kind(prediction: str, answers: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Exact match of the questions whose answer has a number, a date or a name; the others have weight 0."""
    right = exact_match(prediction, answers)
    wanted: Mapping[str, set[str]] = pieces(answers[0])
    return {f"exact_match_{kind}": (right, float(bool(wanted[kind]))) for kind in KINDS}
