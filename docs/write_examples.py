"""Writes the files that docs/extending.md shows into a folder: python docs/write_examples.py [folder]."""

from __future__ import annotations

import re
import sys
from pathlib import Path

PAGE = Path(__file__).with_name("extending.md")
BLOCK = re.compile(r"^`(mine/[^`]+)`:\n\n```\w*\n(.*?)^```", re.DOTALL | re.MULTILINE)


def main(folder: Path) -> None:
    """Write every block that follows a line with a file's name."""
    for name, body in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(body, encoding="utf-8")
        print(file)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
