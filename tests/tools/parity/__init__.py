"""Golden vectors of the method's public implementation, where they are available."""

from __future__ import annotations

from pathlib import Path

PARITY = Path(__file__).resolve().parents[4] / "shared" / "parity"
