"""The structure of the code: imports point one way, folders and files stay small, nothing is called utils."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import arc_encoder
from arc_encoder.config.app.advice import ADVICE

SOURCE = Path(arc_encoder.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))

# The rooms, and what each may import besides itself.
ALLOWED: dict[str, set[str]] = {
    "core": set(),
    "data": {"core"},
    "model": {"core"},
    "training": {"core", "data", "model"},
    "evaluation": {"core", "data", "model"},
    "inference": {"core", "data", "model"},
    "config": {"core", "data", "model", "training", "evaluation", "inference"},
    "tools": {"core", "data", "model", "training", "evaluation", "inference", "config"},
    "commands": {"core", "data", "model", "training", "evaluation", "inference", "config", "tools"},
    "__main__": {"commands"},
    "__init__": {"model", "training", "evaluation", "inference"},  # the public names, imported when they are used
}
PLAIN_TORCH = ("core", "model", "inference")
MOST_ENTRIES = 8  # of a folder; what a reader takes in at a glance
MOST_ROOMS = 9


def part_of(file: Path) -> str:
    return file.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported(file: Path) -> Iterator[str]:
    """Full names of what a file imports from arc_encoder, wherever in the file the import is."""
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


def module_of(file: Path) -> str:
    parts = file.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(file): file for file in FILES}


def graph() -> dict[str, set[str]]:
    """Which modules each module imports, in functions and for types too; the package itself imports on use."""
    edges: dict[str, set[str]] = {}
    for module, file in MODULES.items():
        names = imported(file) if module != "arc_encoder" else ()
        found = {name if name in MODULES else name.rpartition(".")[0] for name in names}
        edges[module] = {name for name in found if name in MODULES} - {module, "arc_encoder"}
    return edges


def name_of(file: Path) -> str:
    return str(file.relative_to(SOURCE))


def test_the_scan_sees_imports() -> None:
    found = set(imported(SOURCE / "training" / "module.py"))
    assert {"arc_encoder.core.batch.ArcBatch", "arc_encoder.model.arc_model.ArcForCausalLM"} <= found
    in_a_function = "arc_encoder.config.validation.check.find_problems"
    assert in_a_function in set(imported(SOURCE / "config" / "overrides.py"))
    assert len(FILES) > 60


def test_the_package_does_not_need_the_scripts_around_it() -> None:
    for file in FILES:
        found = re.search(r"^\s*(import|from) (tools|tests|docs)\b", file.read_text(encoding="utf-8"), re.M)
        assert found is None, file


def test_every_public_name_is_there() -> None:
    assert all(getattr(arc_encoder, name) for name in arc_encoder.__all__)


def test_every_file_is_in_a_room() -> None:
    assert {part_of(file) for file in FILES} == set(ALLOWED)


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_imports_point_one_way(file: Path) -> None:
    own = part_of(file)
    allowed = ALLOWED[own] | {own, "", "__version__"}  # "" is `import arc_encoder` itself
    wrong = sorted(name for name in imported(file) if [*name.split("."), ""][1] not in allowed)
    assert not wrong, f"{own} must not import {', '.join(wrong)}"


def test_nothing_imports_in_a_circle() -> None:
    try:
        TopologicalSorter(graph()).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


def test_a_circle_is_found() -> None:
    edges = graph()
    edges["arc_encoder.core.errors"].add("arc_encoder.model.arc_model")
    with pytest.raises(CycleError):
        TopologicalSorter(edges).prepare()


def test_folders_are_small() -> None:
    """At most eight entries a folder; a folder of data files without code may have more."""
    for folder in {file.parent for file in FILES}:
        entries = {each.name for each in folder.iterdir()} - {"__init__.py", "__main__.py", "__pycache__", "py.typed"}
        limit = MOST_ROOMS if folder == SOURCE else MOST_ENTRIES
        assert len(entries) <= limit, f"{folder.relative_to(SOURCE.parent)}: {sorted(entries)}"


def test_reporting_reads_results_only() -> None:
    own = "arc_encoder.evaluation.reporting"
    names = {name for module, names in graph().items() if module.startswith(own) for name in names}
    others = {name for name in names if ".evaluation." in name and not name.startswith(own)}
    assert others == {
        "arc_encoder.evaluation.runs.results",
        "arc_encoder.evaluation.metrics.corpus",
        "arc_encoder.evaluation.metrics.resampling",
    }


def test_the_model_is_plain_torch() -> None:
    """Nothing of training frameworks below training: these rooms can be used without them."""
    for file in FILES:
        if part_of(file) in PLAIN_TORCH:
            found = re.search(r"^\s*(import|from) (lightning|hydra|omegaconf)", file.read_text(encoding="utf-8"), re.M)
            assert found is None, file


COMMANDS = sorted(file for file in FILES if part_of(file) == "commands" and file.name != "__init__.py")
ENTRIES = ("start", "catalogue", "nested")  # how a command is found; they are no commands


@pytest.mark.parametrize("file", COMMANDS, ids=name_of)
def test_commands_are_thin_and_know_no_other_command(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 60
    if file.stem not in ENTRIES:
        assert not [name for name in imported(file) if name.split(".")[1] == "commands"]


LIBRARY = ("core", "data", "model", "training", "evaluation", "inference")
# Words of a command line: a command, a value written as there, a setting by its path in a configuration, an option.
TYPED = re.compile(
    r"\barc-(?!encoder)[a-z]|=<|\b[a-z_]+=[a-z]{2,}\b|\b[a-z_]+/[a-z_]+=|"
    r"\b(model|data|optim|trainer|callbacks|decoders|systems|benchmark|paths|hydra)\.(?!safetensors)[a-z_.]+[ =]|(^| )--[a-z]"
)
NOT_OURS = (
    "llama-gguf-split --merge",
    "pip download --no-deps",
    "--enable-prompt-embeds",
    "charset=utf-8",
)  # other programs, and HTTP


def messages(file: Path) -> Iterator[str]:
    """Texts of a file that are no docstrings: what is between the braces of an f-string is left out."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield from [node.value] if id(node) not in docstrings else []


@pytest.mark.parametrize("file", [file for file in FILES if part_of(file) in LIBRARY], ids=name_of)
def test_the_library_does_not_speak_of_command_lines(file: Path) -> None:
    found = [text for text in messages(file) if TYPED.search(text) and not any(each in text for each in NOT_OURS)]
    assert not found, "say which argument, and let the command add what to type (config/app/advice.py)"


def test_every_advice_is_given_and_used() -> None:
    given = set()
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "advice":
                given |= {each.value for each in ast.walk(node.value) if isinstance(each, ast.Constant) and each.value}
    assert given == set(ADVICE)


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_files_are_short(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 300


def test_nothing_is_called_utils() -> None:
    words = {"util", "utils", "utilities", "helper", "helpers", "misc", "common"}
    assert not [str(file) for file in FILES if words & set(file.relative_to(SOURCE).with_suffix("").parts)]
