"""Files appear atomically."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from arc_encoder.core.errors import ConfigError
from arc_encoder.tools.preparation.writing import atomic_writer


def interrupted(path: Path, by: BaseException) -> None:
    with atomic_writer(path) as file:
        file.write("second")
        raise by


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_an_interrupted_file_leaves_the_one_before(tmp_path: Path, name: str) -> None:
    path = tmp_path / "deep" / name
    with atomic_writer(path) as file:
        file.write("first")
    with pytest.raises(KeyboardInterrupt):
        interrupted(path, KeyboardInterrupt())
    with pytest.raises(ConfigError, match=r"cannot be written \(no space"):
        interrupted(path, OSError(28, "no space left"))
    content = path.read_bytes()
    assert (gzip.decompress(content) if name.endswith(".gz") else content) == b"first"
    assert [each.name for each in path.parent.iterdir()] == [name]
