"""What was seen before, by 8-byte digests: duplicates without keeping the texts."""

from __future__ import annotations

from hashlib import blake2b


def digest(*texts: str) -> int:
    """Eight bytes that stand for texts; case and white space do not matter.

    Two different texts of a source of ten million share them with a chance of about 3 in a million.
    """
    key = "\0".join(" ".join(text.lower().split()) for text in texts)
    return int.from_bytes(blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


class Seen:
    """Counts repetitions; about 70 bytes for each different text."""

    def __init__(self) -> None:
        self.digests: set[int] = set()

    def again(self, *texts: str) -> bool:
        """Whether these texts came before; from now on they did."""
        key = digest(*texts)
        known = key in self.digests
        self.digests.add(key)
        return known
