"""`/health`, `/ready`, `/spec`, `/metrics`, and `/embed` with its vectors sent back."""

from __future__ import annotations

import base64

import httpx
import torch
from prometheus_client.parser import text_string_to_metric_families
from safetensors.torch import load

from arc_encoder.inference import Compressor
from arc_encoder.inference.serving.documents.vectors_file import from_bytes
from tests.inference.serving.conftest import MODEL, TEXTS, Running

TEXT = TEXTS["mill"]


def test_health_ready_and_spec(gateway: Running, compressor: Compressor) -> None:
    assert httpx.get(f"{gateway.url}/health").json() == {"status": "ok"}
    assert httpx.get(f"{gateway.url}/ready").json() == {"status": "ready"}
    spec = httpx.get(f"{gateway.url}/spec").json()
    assert spec["encoder"] == compressor.fingerprint
    assert spec["decoder_fingerprint"] == compressor.decoder_fingerprint
    assert spec["factor"] == 4
    assert spec["trained_factors"] == [2, 4, 8]
    assert spec["documents"] == len(TEXTS)


def test_embed_answers_safetensors(gateway: Running, compressor: Compressor) -> None:
    answer = httpx.post(f"{gateway.url}/embed", json={"text": TEXT})
    assert answer.status_code == 200
    (context,) = compressor.encode([TEXT])
    torch.testing.assert_close(load(answer.content)["tensor"], context.vectors)
    assert from_bytes(answer.content, width=context.vectors.shape[1]).origin == context.origin
    fewer = httpx.post(f"{gateway.url}/embed", json={"text": TEXT, "max_vectors": 12})
    assert len(load(fewer.content)["tensor"]) <= 12


def test_vectors_can_be_sent_back(gateway: Running) -> None:
    vectors = httpx.post(f"{gateway.url}/embed", json={"text": TEXT, "factor": 2}).content
    ask = {"model": MODEL, "temperature": 0, "max_tokens": 8, "messages": [{"role": "user", "content": "Who grinds?"}]}
    by_vectors = {**ask, "documents": [{"safetensors": base64.b64encode(vectors).decode()}]}
    by_text = {**ask, "documents": [TEXT], "factor": 2}
    one, other = (httpx.post(f"{gateway.url}/v1/chat/completions", json=each).json() for each in (by_vectors, by_text))
    assert one["choices"] == other["choices"]
    assert one["usage"] == other["usage"]


def test_metrics_count(gateway: Running) -> None:
    def read() -> dict[str, float]:
        families = text_string_to_metric_families(httpx.get(f"{gateway.url}/metrics").text)
        return {sample.name: sample.value for family in families for sample in family.samples if not sample.labels}

    before = read()
    body = {"model": MODEL, "max_tokens": 3, "messages": [{"role": "user", "content": "Who?"}], "documents": [TEXT]}
    usage = httpx.post(f"{gateway.url}/v1/chat/completions", json=body).json()["usage"]
    after = read()
    for name, key in (("prompt_vectors", "vectors"), ("prompt_text_tokens", "text_tokens"), ("document_tokens",) * 2):
        assert after[f"arc_{name}_total"] - before[f"arc_{name}_total"] == usage[key]
    assert after["arc_requests_in_flight"] == 0
    assert after["arc_prefix_bytes"] > 0


def test_inspect(gateway: Running) -> None:
    found = httpx.post(f"{gateway.url}/inspect", json={"text": TEXT, "factor": 4, "nearest": 2}).json()
    said = [each["text"] for each in found["vectors"]]
    assert "".join(said) == TEXT  # and the task token says nothing
    assert said[-1] == ""
    assert all(len(each["nearest"]) == 2 for each in found["vectors"])
    assert all(0 <= each["fidelity"] <= 1 for each in found["vectors"][:-1])
