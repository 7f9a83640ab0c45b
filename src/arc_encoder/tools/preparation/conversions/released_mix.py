"""The method's released fine-tuning mix: one zip of JSONL files on the hub, one file a subset."""

from __future__ import annotations

import fnmatch
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from arc_encoder.core.errors import DataError
from arc_encoder.tools.preparation.conversion import Row
from arc_encoder.tools.preparation.origin import Origin, ask_hub
from arc_encoder.tools.preparation.rows import members, read_member, read_rows


class ReleasedMix(Origin):
    """A zip of JSONL files, or its unpacked folder; each file is a part by its name.

    Args:
        hub: identifier of the data set.
        files: patterns of the file names that it has outside the hub.
        parts: names that must be there.
        revision: of the hub.
    """

    def __init__(self, hub: str, files: Sequence[str], parts: Sequence[str], revision: str | None = None) -> None:
        super().__init__(files)
        self.hub, self.parts, self.revision = hub, tuple(parts), revision

    def describe(self) -> dict[str, Any]:
        return {"hub": self.hub, "revision": self.revision or "main"}

    def fetch(self) -> Iterator[tuple[str, Row]]:
        path = Path(ask_hub(self.hub, self._download))
        yield from self.read_all([path])

    def _download(self) -> str:
        from huggingface_hub import hf_hub_download, list_repo_files

        names = list_repo_files(self.hub, repo_type="dataset", revision=self.revision)
        zips = fnmatch.filter(names, "*.zip")
        if not zips:
            raise DataError(f"{self.hub} holds no .zip file, but: {', '.join(names[:20])}")
        return hf_hub_download(self.hub, zips[0], repo_type="dataset", revision=self.revision)

    def read(self, path: Path) -> Iterator[tuple[str, Row]]:
        if not zipfile.is_zipfile(path):
            part = path.name.split(".")[0]
            yield from ((part, row) for row in read_rows(path))
            return
        for name in members(path):
            part = Path(name).name.split(".")[0]
            yield from ((part, row) for row in read_member(path, name))

    def read_all(self, files: Sequence[Path]) -> Iterator[tuple[str, Row]]:
        names = [name for path in files for name in (members(path) if path.suffix == ".zip" else [path.name])]
        missing = sorted(set(self.parts) - {Path(name).name.split(".")[0] for name in names})
        if missing:
            raise DataError(
                f"{', '.join(map(str, files[:3]))} lacks {', '.join(f'{part}.jsonl' for part in missing)}; "
                f"it holds: {', '.join(names[:30]) or 'no JSONL file'}"
            )
        yield from super().read_all(files)
