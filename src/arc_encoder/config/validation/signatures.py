"""What a class or function of this project takes, read from its source: nothing is imported, so it takes no time.

A command whose words are misspelt should say so at once, and not after torch and its companions are loaded.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

PACKAGE = "arc_encoder"
ROOT = Path(__file__).parents[2]


def parameters_of(target: str) -> list[str] | None:
    """Names of the settings that `target` takes, such as arc_encoder.training.optim.optimizer.OptimSettings.

    Returns:
        None where the source does not tell: it is not this project's, or its arguments come from elsewhere.
    """
    module, _, name = target.rpartition(".")
    found = _definition(module, name)
    if found is None:
        return None
    where, node = found
    if isinstance(node, ast.FunctionDef):
        return _arguments(node)
    return _of_class(where, node)


def _of_class(module: str, node: ast.ClassDef) -> list[str] | None:
    """Arguments of `__init__`, or fields of a dataclass; a class without either takes what its base takes."""
    for each in node.body:
        if isinstance(each, ast.FunctionDef) and each.name == "__init__":
            return _arguments(each)[1:]
    bases = [_definition(module, base.id) for base in node.bases if isinstance(base, ast.Name)]
    inherited = [_of_class(base[0], base[1]) for base in bases if base and isinstance(base[1], ast.ClassDef)]
    if any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list):
        own = [
            each.target.id
            for each in node.body
            if isinstance(each, ast.AnnAssign)
            and isinstance(each.target, ast.Name)
            and not ast.unparse(each.annotation).startswith("ClassVar")
        ]
        return [*(name for names in inherited for name in names or []), *own]
    return inherited[0] if inherited else None


def _arguments(node: ast.FunctionDef) -> list[str]:
    return [argument.arg for argument in [*node.args.args, *node.args.kwonlyargs]]


def _definition(module: str, name: str) -> tuple[str, ast.ClassDef | ast.FunctionDef] | None:
    """Where `name` of `module` is defined, imports followed, and how."""
    tree = _source(module)
    for node in tree.body if tree else []:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return module, node
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return _definition(node.module, alias.name)
    return None


@cache
def _source(module: str) -> ast.Module | None:
    if module.split(".")[0] != PACKAGE:
        return None
    place = ROOT.joinpath(*module.split(".")[1:])
    for file in (place.with_suffix(".py"), place / "__init__.py"):
        if file.is_file():
            return ast.parse(file.read_text(encoding="utf-8"))
    return None
