"""The benchmarks of storage run, and their figures have the right order."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.inference.conftest import folder, language_model
from tools.measure import compress, store

__all__ = ["folder", "language_model"]


def rows(printed: str) -> list[list[str]]:
    lines = [line for line in printed.splitlines() if line.startswith("|")][2:]
    return [[cell.strip().replace(",", "") for cell in line.strip("|").split("|")] for line in lines]


def test_stores_are_measured(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("faiss")
    monkeypatch.setattr(sys, "argv", ["bench", "--passages", "600", "--width", "16", "--vectors", "5"])
    store.main()
    found = {row[0]: float(row[3]) for row in rows(capsys.readouterr().out)}
    assert list(found) == list(store.CODECS)
    assert found["float32"] > found["bfloat16"] > found["int8"] > found["product 1 bit"]


def test_compression_is_measured_beside_the_bare_encoder(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["bench", "--checkpoint", str(folder), "--documents", "60", "--bare", "40", "--tokens", "24"]
    monkeypatch.setattr(sys, "argv", words)
    compress.main()
    ((documents, tokens, _, speed, bare, ratio, *_),) = rows(capsys.readouterr().out)
    assert int(documents) == 60
    assert 60 * 6 <= int(tokens) <= 60 * 40
    assert float(ratio) == pytest.approx(float(speed) / float(bare), abs=0.01)
