"""The structure of the code: imports point one way, files stay short, nothing is called utils."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import arc_encoder

SOURCE = Path(arc_encoder.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))

# What each part may import, besides itself. A part is a module or a package right below arc_encoder.
FOUNDATION = {"segments", "errors", "batch", "atomic", "registered"}
ALLOWED: dict[str, set[str]] = {
    "segments": set(),
    "atomic": set(),
    "errors": set(),
    "registered": {"errors"},
    "batch": {"segments", "errors"},
    "data": FOUNDATION,
    "models": {"errors", "atomic"},
    "model": FOUNDATION | {"models"},
    "toy": FOUNDATION | {"data"},
    "training": FOUNDATION | {"data", "model"},
    "evaluation": FOUNDATION | {"data", "model"},
    "reporting": {"evaluation", "errors", "atomic"},
    "parity": FOUNDATION | {"model", "evaluation"},
    "inference": FOUNDATION | {"data", "model"},
    "storage": FOUNDATION | {"data", "inference"},
    "integrations": FOUNDATION | {"inference", "storage"},
    "serving": FOUNDATION | {"data", "model", "inference", "storage"},
    "plan": FOUNDATION | {"data", "models", "model", "training", "reporting"},
    "study": FOUNDATION | {"data", "inference", "storage", "evaluation", "reporting"},
    "bench": FOUNDATION | {"data", "model", "training", "plan", "inference", "storage", "serving"},
    "cli": FOUNDATION
    | {
        "plan",
        "bench",
        "study",
        "data",
        "models",
        "model",
        "toy",
        "training",
        "evaluation",
        "reporting",
        "inference",
        "storage",
        "serving",
        "parity",
    },
    "__init__": {
        "inference",
        "model",
        "storage",
        "training",
        "evaluation",
    },  # the public names, imported when they are used
}


def part_of(file: Path) -> str:
    return file.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported(file: Path) -> Iterator[str]:
    """Full names of what a file imports from arc_encoder, wherever in the file the import stands."""
    package = ["arc_encoder", *file.relative_to(SOURCE).parts[:-1]]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] == "arc_encoder")


def name_of(file: Path) -> str:
    return str(file.relative_to(SOURCE))


def test_the_scan_sees_imports() -> None:
    found = set(imported(SOURCE / "training" / "module.py"))
    assert {"arc_encoder.batch.ArcBatch", "arc_encoder.model.arc_model.ArcModel"} <= found
    assert "arc_encoder.cli.check.find_problems" in set(imported(SOURCE / "cli" / "command_line.py"))  # in a function
    assert len(FILES) > 60


def test_every_part_has_its_place() -> None:
    assert {part_of(file) for file in FILES} == set(ALLOWED)


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_imports_point_one_way(file: Path) -> None:
    own = part_of(file)
    allowed = ALLOWED[own] | {own, "", "__version__"}  # "" is `import arc_encoder` itself
    wrong = sorted(name for name in imported(file) if [*name.split("."), ""][1] not in allowed)
    assert not wrong, f"{own} must not import {', '.join(wrong)}"


def test_data_and_model_do_not_know_each_other() -> None:
    assert "model" not in ALLOWED["data"]
    assert "data" not in ALLOWED["model"]


def test_reporting_reads_results_only() -> None:
    names = {name for file in FILES if part_of(file) == "reporting" for name in imported(file) if ".evaluation" in name}
    assert {name.rsplit(".", 1)[0] for name in names} == {
        "arc_encoder.evaluation.results",
        "arc_encoder.evaluation.corpus_scores",
    }


def test_the_model_is_plain_torch() -> None:
    """Nothing of training frameworks below training: `model` and `batch` can be used without them."""
    for file in FILES:
        if part_of(file) in ("model", "batch", "segments", "errors", "inference"):
            text = file.read_text(encoding="utf-8")
            assert not any(word in text for word in ("import lightning", "import hydra", "from hydra", "omegaconf")), (
                file
            )


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_files_are_short(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 300


def test_nothing_is_called_utils() -> None:
    words = {"util", "utils", "utilities", "helper", "helpers", "misc", "common"}
    assert not [str(file) for file in FILES if words & set(file.relative_to(SOURCE).with_suffix("").parts)]
