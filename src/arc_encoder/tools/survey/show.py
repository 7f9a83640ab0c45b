"""Samples in words: compressed parts marked and cut short, plain text as it is, targets marked; colour if wished."""

from __future__ import annotations

from collections.abc import Sequence

from arc_encoder.core.segments import Role
from arc_encoder.tools.survey.samples import Piece

CONTEXT_SHOWN, TEXT_SHOWN = 160, 600  # characters of a compressed and of a plain part
COLOURS = {Role.CONTEXT: "\033[36m", Role.TARGET: "\033[1;32m"}
PLAIN = "\033[0m"


def shortened(text: str, max_length: int) -> str:
    """Beginning and end of a long text."""
    if len(text) <= max_length:
        return text
    half = max_length // 2
    head, tail = text[:half].rsplit(" ", 1)[0] or text[:half], text[-half:].split(" ", 1)[-1] or text[-half:]
    return f"{head.rstrip()} … {tail.lstrip()}"


def shown(pieces: Sequence[Piece], *, colour: bool = False) -> str:
    """A sample as one text; neighbouring targets share a mark."""
    parts = []
    for place, piece in enumerate(pieces):
        if piece.role is Role.CONTEXT:
            vectors = f"{piece.vectors} vector{'s' if piece.vectors != 1 else ''}{' + task token' if piece.task_token else ''}"
            words = shortened(" ".join(piece.text.split()), CONTEXT_SHOWN)
            text = f"⟦context: {piece.tokens} tokens → {vectors}⟧ {words} ⟦/⟧"
        elif piece.role is Role.TARGET:
            first = place == 0 or pieces[place - 1].role is not Role.TARGET
            last = place + 1 == len(pieces) or pieces[place + 1].role is not Role.TARGET
            text = f"{'⟦target⟧' if first else ''}{shortened(piece.text, TEXT_SHOWN)}{'⟦/⟧' if last else ''}"
        else:
            text = shortened(piece.text, TEXT_SHOWN)
        paint = COLOURS.get(piece.role) if colour else None
        parts.append(f"{paint}{text}{PLAIN}" if paint else text)
    return printable("".join(parts), colour=colour)


def printable(text: str, *, colour: bool = False) -> str:
    """Text without the control characters that could change a terminal (those of `colour` stay)."""
    allowed = "\n\t\033" if colour else "\n\t"
    return "".join(letter if letter in allowed or letter.isprintable() else "�" for letter in text)
