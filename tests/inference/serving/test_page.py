"""The page in a real browser: a document is typed, a question asked, the answers are read."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from arc_encoder.inference import Compressor
from arc_encoder.inference.serving.engines import TransformersEngine
from arc_encoder.inference.serving.server import gateway_of
from tests.inference.serving.conftest import TEXTS, Running, running

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
TEXT = TEXTS["lighthouse"] + " <b>It is not HTML.</b>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.mark.slow
def test_a_question_is_asked_and_answered(browser: Any, gateway: Running, compressor: Compressor) -> None:
    page = browser.new_page(viewport={"width": 1200, "height": 800})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(gateway.url)
    assert page.inner_text("#factor-told") == "×4"
    assert not page.is_visible("#key")
    page.click("#ask")
    assert "needed" in page.inner_text("#status")
    page.fill("#document", TEXT)
    page.fill("#question", "Who counts?")
    page.locator("#factor").fill("2")  # the third of 2, 4, 8
    assert page.inner_text("#factor-told") == "×8"
    page.click("#ask")
    page.wait_for_function("document.querySelectorAll('#spans span').length > 0", timeout=60_000)
    page.wait_for_selector("#ask:enabled")
    (context,) = compressor.encode([TEXT], factor=8)
    expected = {
        "vectors": compressor.ask(context, ["Who counts?"])[0],
        "text": compressor.generate([f"Document: {TEXT}\nQuestion: Who counts?\nAnswer:"], stop="\n")[0],
    }
    for way, answer in expected.items():
        shown = page.text_content(f"#{way} .answer")
        assert shown == (answer if answer.strip() else answer + "(nothing)")
    positions = {way: int(page.inner_text(f"#{way} .facts").split()[0]) for way in ("text", "vectors", "truncated")}
    assert positions["vectors"] == positions["truncated"] < positions["text"]
    assert f"{len(context)} vectors" in page.inner_text("#vectors .facts")
    assert page.locator("#spans span").count() == len(context)
    assert "".join(page.locator("#spans span").all_text_contents()[:-1]) == TEXT  # as text, not as HTML
    page.hover("#spans span:first-child")
    assert "nearest tokens" in page.inner_text("#say")
    assert errors == []
    page.close()


@pytest.mark.slow
def test_a_key_is_asked_for(browser: Any, compressor: Compressor, tmp_path: Any) -> None:
    (tmp_path / "keys").write_text("open sesame\n")
    made = gateway_of(compressor, TransformersEngine, page=True, api_key_file=tmp_path / "keys")
    with running(made) as found:
        page = browser.new_page()
        page.goto(found.url)
        page.fill("#document", TEXT)
        page.fill("#question", "Who?")
        page.click("#ask")
        page.wait_for_selector("#key:visible")
        page.wait_for_selector("#ask:enabled")
        assert "API key" in page.inner_text("#vectors .answer")
        page.fill("#key", "open sesame")
        page.click("#ask")
        page.wait_for_function("document.querySelectorAll('#spans span').length > 0", timeout=60_000)
        page.close()


def test_the_page_is_not_there_where_nobody_asked_for_it(compressor: Compressor) -> None:
    with running(gateway_of(compressor, TransformersEngine)) as found:
        assert httpx.get(found.url).status_code == 404
