"""`--dist loadscope` of this project: a page's commands stay together and in order; every other test goes where there is room."""

from __future__ import annotations

import re
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

PAGE = re.compile(r"test_documented_commands\.py::\w+\[([\w/]+\.md)-")


class ByPage(LoadScopeScheduling):
    """Commands of a page build on one another; they need the same worker."""

    def _split_scope(self, nodeid: str) -> str:
        page = PAGE.search(nodeid)
        return page[1] if page else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByPage | None:
    """Take it for `--dist loadscope` alone."""
    return ByPage(config, log) if config.getvalue("dist") == "loadscope" else None
