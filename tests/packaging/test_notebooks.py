"""The notebooks of the documentation are executed as they are, at the root of a checkout."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.packaging.test_documented_commands import ROOT, checkout  # noqa: F401 (a fixture)

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


def test_there_are_three() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["add_a_pooling", "compress_and_ask", "read_an_ablation"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_kept_without_outputs(path: Path) -> None:
    """So that a change of the text is all that a diff shows."""
    nbformat = pytest.importorskip("nbformat")
    book = nbformat.read(path, as_version=4)
    assert all(not cell.outputs and cell.execution_count is None for cell in book.cells if cell.cell_type == "code")


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_executes(path: Path, checkout: Path) -> None:  # noqa: F811
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    book = nbformat.read(path, as_version=4)
    client = nbclient.NotebookClient(book, timeout=240, resources={"metadata": {"path": str(checkout)}})
    client.execute()  # raises at the first cell that fails
    assert any(cell.get("outputs") for cell in book.cells)
