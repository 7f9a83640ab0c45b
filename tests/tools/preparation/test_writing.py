"""Files appear whole or not at all."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from arc_encoder.core.errors import ConfigError
from arc_encoder.tools.preparation.writing import whole_file


def interrupted(path: Path, by: BaseException) -> None:
    with whole_file(path) as file:
        file.write("second")
        raise by


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_an_interrupted_file_leaves_the_one_before(tmp_path: Path, name: str) -> None:
    path = tmp_path / "deep" / name
    with whole_file(path) as file:
        file.write("first")
    with pytest.raises(KeyboardInterrupt):
        interrupted(path, KeyboardInterrupt())
    with pytest.raises(ConfigError, match=r"cannot be written: .*no space"):
        interrupted(path, OSError(28, "no space left"))
    content = path.read_bytes()
    assert (gzip.decompress(content) if name.endswith(".gz") else content) == b"first"
    assert [each.name for each in path.parent.iterdir()] == [name]
