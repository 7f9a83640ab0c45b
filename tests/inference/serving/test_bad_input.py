"""Whatever a client sends is answered with an error object that says what is wrong."""

from __future__ import annotations

import base64
import json
import pickle
from dataclasses import replace
from typing import Any

import httpx
import pytest
import torch
from openai import APIStatusError
from safetensors.torch import save

from arc_encoder.core.errors import ArcError, CheckpointError, ConfigError
from arc_encoder.inference import CompressedContext, Compressor
from arc_encoder.inference.serving.documents.vectors_file import to_bytes
from tests.inference.serving.conftest import MODEL, TEXTS, Running


def ask(gateway: Running, **body: Any) -> httpx.Response:
    whole = {"model": MODEL, "max_tokens": 4, "messages": [{"role": "user", "content": "Who?"}], **body}
    return httpx.post(f"{gateway.url}/v1/chat/completions", json=whole)


def error_of(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


def sent(content: bytes) -> list[dict[str, str]]:
    return [{"safetensors": base64.b64encode(content).decode()}]


@pytest.fixture(scope="module")
def context(compressor: Compressor) -> CompressedContext:
    return compressor.encode([TEXTS["mill"]])[0]


def test_unknown_id(gateway: Running) -> None:
    error = error_of(ask(gateway, documents=[{"id": "no such"}]), 404)
    assert error["code"] == "document_not_found"
    assert "no such" in error["message"]
    assert str(gateway.gateway.reader.store.folder) not in error["message"]  # type: ignore[union-attr]


def test_limits_of_documents(gateway: Running) -> None:
    assert "at most 32" in error_of(ask(gateway, documents=["x"] * 33), 400)["message"]
    assert error_of(ask(gateway, documents=["x" * 400_001]), 400)["code"] == "document_too_long"
    assert "tokens" in error_of(ask(gateway, documents=["x" * 100_000]), 400)["message"]  # 32 chunks of 1024


def test_vectors_of_another_model(gateway: Running, context: CompressedContext) -> None:
    other = replace(context, origin=replace(context.origin, encoder="0" * 64))
    assert "another ARC-Encoder" in error_of(ask(gateway, documents=sent(to_bytes(other))), 400)["message"]
    other = replace(context, origin=replace(context.origin, decoder_name="other"))
    assert "'other'" in error_of(ask(gateway, documents=sent(to_bytes(other))), 400)["message"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda v: v[:, :5], "shape"),
        (lambda v: v[0], "shape"),
        (lambda v: v[:0], "shape"),
        (lambda v: v.int(), "int32"),
        (lambda v: v.to(torch.float8_e4m3fn), "float8"),
        (lambda v: v * torch.inf, "finite"),
    ],
)
def test_tensors_that_cannot_be_vectors(gateway: Running, context: CompressedContext, change: Any, told: str) -> None:
    content = to_bytes(replace(context, vectors=change(context.vectors)))
    assert told in error_of(ask(gateway, documents=sent(content)), 400)["message"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no file",
        pickle.dumps({"tensor": [1]}),
        save({"tensor": torch.zeros(2, 32)}),
        save({"tensor": torch.zeros(2, 32)}, metadata={"compressed_context": "[1"}),
        save({"tensor": torch.zeros(2, 32)}, metadata={"compressed_context": '{"version": 1, "source": 5}'}),
        (2**60).to_bytes(8, "little") + b"{}",
        b"\xff" * 64,
    ],
)
def test_files_that_are_none(gateway: Running, content: bytes) -> None:
    error = error_of(ask(gateway, documents=sent(content or b" ")), 400)
    assert "vectors" in error["message"]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            {"documents": [{"type": "document", "text": "x", "size": 3}]},
            "documents.0.size: Extra inputs are not permitted",
        ),
        ({"documents": [{"type": "image", "text": "x"}]}, "documents.0.type: Input should be 'document'"),
        ({"documents": [{}]}, "documents.0: a document has exactly one of text, id and safetensors"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages.0.content.0.text: Field required"),
        ({"messages": [{"content": "x"}]}, "messages.0.role: Field required"),
        ({"messages": None}, "messages: Input should be a valid list"),
        ({"stop": [""]}, "stop.0: String should have at least 1 character"),
        ({"max_tokens": 0}, "max_tokens: Input should be greater than or equal to 1"),
    ],
)
def test_mistakes_are_told_by_the_senders_own_names(gateway: Running, body: dict[str, Any], told: str) -> None:
    error = error_of(ask(gateway, **body), 400)
    assert error["message"] == told
    assert error["param"] == told.partition(":")[0]
    assert error["code"] == "invalid_body"


def test_nothing_is_unpickled(gateway: Running, tmp_path: Any) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return open, (str(tmp_path / "opened"), "w")

    torch.save(Trap(), tmp_path / "trap")
    error_of(ask(gateway, documents=sent((tmp_path / "trap").read_bytes())), 400)
    assert not (tmp_path / "opened").exists()


def test_malformed_base64(gateway: Running) -> None:
    for text in ("%%%", "abc", "QUJD\n", "ä"):
        assert "base64" in error_of(ask(gateway, documents=[{"safetensors": text}]), 400)["message"]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"{}", "text/plain"),
        (b"{", "application/json"),
        (b"[" * 200_000, "application/json"),
        (b'"\xff"', "application/json"),
        (b"null", "application/json"),
        (b'{"model": "d", "messages": NaN}', "application/json"),
        (b"a=1", "application/x-www-form-urlencoded"),
        (b"", "application/json"),
    ],
)
def test_bodies_that_are_no_request(gateway: Running, content: bytes, kind: str) -> None:
    for path in ("/v1/chat/completions", "/v1/completions", "/embed", "/inspect"):
        answer = httpx.post(gateway.url + path, content=content, headers={"content-type": kind})
        assert answer.status_code in (400, 415)
        assert answer.json()["error"]["message"]


@pytest.mark.parametrize("told", [True, False], ids=["with its length", "in pieces"])
def test_a_body_of_100_mb(gateway: Running, told: bool) -> None:
    def pieces() -> Any:
        for _ in range(100):
            yield b" " * 2**20

    content = b" " * (100 * 2**20) if told else pieces()
    answer = httpx.post(f"{gateway.url}/embed", content=content, headers={"content-type": "application/json"})
    assert error_of(answer, 413)["code"] == "body_too_large"


def test_a_message_of_100_mb(gateway: Running) -> None:
    with pytest.raises(APIStatusError) as caught:
        gateway.client().completions.create(model=MODEL, prompt="x" * (100 * 2**20))
    assert caught.value.status_code == 413
    assert caught.value.code == "body_too_large"


@pytest.mark.parametrize("text", ["日本語 🎉 \u0000 \u202e", "<|im_end|></s><s>", "e\u0301" * 50, "\U0010ffff"])
def test_unicode(gateway: Running, text: str) -> None:
    assert ask(gateway, documents=[text], messages=[{"role": "user", "content": text}]).status_code == 200


def test_lone_surrogates(gateway: Running) -> None:
    body = json.dumps({"text": "\ud800"})
    answer = httpx.post(f"{gateway.url}/embed", content=body, headers={"content-type": "application/json"})
    assert "unicode" in error_of(answer, 400)["message"].lower()


def test_paths_and_methods(gateway: Running) -> None:
    error_of(httpx.get(f"{gateway.url}/v1/nothing"), 404)
    error_of(httpx.get(f"{gateway.url}/v1/chat/completions"), 405)


def test_a_document_that_is_deleted_meanwhile(gateway: Running, compressor: Compressor) -> None:
    store = gateway.gateway.reader.store
    assert store is not None
    from arc_encoder.inference.storage import VectorStore

    other = VectorStore(store.folder)
    other.add({"short-lived": compressor.encode(["A text that will be deleted soon."])[0]})
    assert ask(gateway, documents=[{"id": "short-lived"}]).status_code == 200
    other.delete(["short-lived"])
    other.compact()
    other.close()
    assert error_of(ask(gateway, documents=[{"id": "short-lived"}]), 404)["code"] == "document_not_found"
    assert ask(gateway, documents=[{"id": "mill"}]).status_code == 200


@pytest.mark.parametrize("error", [CheckpointError, ConfigError])
def test_folders_and_addresses_stay_inside(
    gateway: Running, monkeypatch: pytest.MonkeyPatch, error: type[ArcError]
) -> None:
    def fails(*_: Any, **__: Any) -> Any:
        raise error("http://inside:8000 and /secret/folder")

    with monkeypatch.context() as patched:
        patched.setattr(type(gateway.gateway.reader.store), "__getitem__", fails)
        answer = ask(gateway, documents=[{"id": "mill"}])
        assert error_of(answer, 500)["code"] == "store_damaged"
        assert "/secret" not in answer.text
    with monkeypatch.context() as patched:
        patched.setattr(type(gateway.gateway.engine), "generate", fails)
        answer = ask(gateway)
        assert error_of(answer, 500)["code"] == "internal_error"
        assert "inside" not in answer.text
