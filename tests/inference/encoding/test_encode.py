"""Documents → vectors: the same alone and among others, each different one once, within a budget; bad input is named."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from arc_encoder.core.errors import ArcError, ConfigError, DataError
from arc_encoder.inference import Compressor

TEXTS = ["short", "a text of some length", "another one, which is the longest of all of these texts", "short"]


def test_a_batch_gives_what_each_gives_alone(compressor: Compressor) -> None:
    together = compressor.encode(TEXTS, batch_size=2)
    for text, found in zip(TEXTS, together, strict=True):
        (alone,) = compressor.encode([text])
        assert alone.origin == found.origin
        torch.testing.assert_close(alone.vectors, found.vectors, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(compressor.compress([text])[0], found.vectors, atol=1e-5, rtol=1e-4)


def test_the_same_document_is_encoded_once(compressor: Compressor, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    forward = compressor.model.forward

    def counting(ids: torch.Tensor, *args: Any) -> Any:
        seen.append(len(ids))
        return forward(ids, *args)

    monkeypatch.setattr(compressor.model, "forward", counting)
    first, *_, last = compressor.encode(TEXTS)
    assert sum(seen) == 3
    assert torch.equal(first.vectors, last.vectors)


@pytest.mark.parametrize(("budget", "factor"), [(40, 2), (20, 4), (11, 4), (10, 8), (6, 8)])
def test_a_budget_chooses_the_lowest_factor_that_keeps_to_it(compressor: Compressor, budget: int, factor: int) -> None:
    (found,) = compressor.encode(["x" * 40], max_vectors=budget)
    assert found.origin.factor == factor
    assert len(found) == 40 // factor + 1 <= budget


def test_a_prompts_documents_share_its_budget(compressor: Compressor, monkeypatch: pytest.MonkeyPatch) -> None:
    from arc_encoder.inference import Context

    ready = compressor.encode(["y" * 8], factor=8)[0]  # 2 positions
    made = compressor.encode_prompts([["a", Context("x" * 16), ready, Context("z" * 16)]], None, 12, 4)
    lengths = [len(part) for part in made[0] if not isinstance(part, str)]
    assert lengths == [5, 2, 5]  # ×4: at ×2 they would take 9 + 2 + 9
    with pytest.raises(DataError, match="max_vectors=3 is too small: 2 documents of 32 tokens need 6 vectors at ×8"):
        compressor.generate([["a", Context("x" * 16), ready, Context("z" * 16)]], max_vectors=5)


@pytest.mark.parametrize(
    ("texts", "settings", "told"),
    [
        ("one text", {}, "expected a list of texts, but got str"),
        ([None], {}, "text number 0 is no text but NoneType"),
        (["a", b"b"], {}, "text number 1 is no text but bytes"),
        (["a", ""], {}, "text number 1 is empty"),
        (["a\ud800b"], {}, "text number 0 is not valid Unicode: character 1"),
        (["a"], {"batch_size": 0}, "batch_size=0"),
        (["a"], {"batch_size": -1}, "batch_size=-1"),
        (["a"], {"factor": 0}, "factor=0"),
        (["a"], {"factor": "4"}, "factor='4'"),
        (["a"], {"factor": True}, "factor=True"),
        (["a"], {"factor": float("nan")}, "factor=nan"),
        (["a"], {"factor": float("inf")}, "factor=inf"),
        (["a"], {"max_vectors": 0}, "max_vectors=0"),
        (["a"], {"max_vectors": 2.5}, "max_vectors=2.5"),
        (["a"], {"max_vectors": 4, "factor": 4}, "both given"),
    ],
)
def test_bad_input_is_named(compressor: Compressor, texts: Any, settings: dict[str, Any], told: str) -> None:
    with pytest.raises((DataError, ConfigError), match=told) as caught:
        compressor.encode(texts, **settings)
    assert isinstance(caught.value, ArcError)
