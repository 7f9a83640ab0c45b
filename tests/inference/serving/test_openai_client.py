"""The official client, against the gateway: what it says is what `Compressor` says to the same prompt."""

from __future__ import annotations

from typing import Any

import pytest
from openai import BadRequestError, NotFoundError, OpenAI

from arc_encoder.data.prompts import DOCUMENT, asked
from arc_encoder.inference import Compressor, Context
from tests.inference.serving.conftest import MODEL, TEXTS

QUESTION = "Who counts the ships?"
TEXT = TEXTS["lighthouse"]


def chat(client: OpenAI, content: Any, **options: Any) -> Any:
    options = {"model": MODEL, "temperature": 0, "max_tokens": 8, **options}
    return client.chat.completions.create(messages=[{"role": "user", "content": content}], **options)


def parts(*documents: dict[str, str]) -> list[dict[str, str]]:
    return [*({"type": "document", **each} for each in documents), {"type": "text", "text": QUESTION}]


@pytest.mark.parametrize("document", [{"text": TEXT}, {"id": "lighthouse"}], ids=["text", "id"])
def test_chat_about_a_document(client: OpenAI, compressor: Compressor, document: dict[str, str]) -> None:
    answer = chat(client, parts(document))
    (context,) = compressor.encode([TEXT])
    (expected,) = compressor.ask(context, [QUESTION], max_new_tokens=8)
    assert answer.choices[0].message.content == expected
    usage = answer.usage.model_dump()
    assert usage["vectors"] == len(context)
    assert usage["document_tokens"] == context.origin.tokens
    assert usage["ratio"] == pytest.approx(context.ratio, abs=1e-3)
    assert usage["text_tokens"] + usage["vectors"] == usage["prompt_tokens"]
    assert usage["completion_tokens"] <= 8


def test_documents_at_the_top_of_the_request(client: OpenAI) -> None:
    body = {"documents": [{"id": "mill"}, TEXT], "factor": 2}
    one, other = (
        chat(client, QUESTION, extra_body=body),
        chat(client, parts({"id": "mill"}, {"text": TEXT}), extra_body={"factor": 2}),
    )
    assert one.choices[0].message.content == other.choices[0].message.content
    assert one.usage == other.usage


@pytest.mark.parametrize("factor", [2, 8])
def test_factor(client: OpenAI, compressor: Compressor, factor: int) -> None:
    answer = chat(client, parts({"text": TEXT}), extra_body={"factor": factor})
    assert answer.usage.model_dump()["vectors"] == len(compressor.encode([TEXT], factor=factor)[0])
    assert answer.choices[0].message.content == compressor.ask(TEXT, [QUESTION], factor=factor, max_new_tokens=8)[0]


def test_budget(client: OpenAI, compressor: Compressor) -> None:
    answer = chat(client, parts({"text": TEXT}, {"id": "mill"}), extra_body={"max_vectors": 45})
    assert answer.usage.model_dump()["vectors"] <= 45


@pytest.mark.parametrize("temperature", [0, 0.9])
def test_completion(client: OpenAI, compressor: Compressor, temperature: float) -> None:
    prompt = [
        {"type": "text", "text": DOCUMENT},
        {"type": "document", "text": TEXT},
        {"type": "text", "text": asked(QUESTION)},
    ]
    answer = client.completions.create(
        model=MODEL,
        prompt=prompt,  # type: ignore[arg-type]
        temperature=temperature,
        top_p=0.8,
        seed=3,
        n=2,
        max_tokens=12,
    )
    same = [[DOCUMENT, Context(TEXT), asked(QUESTION)]] * 2
    expected = compressor.generate(same, temperature=temperature, top_p=0.8, seed=3, max_new_tokens=12)
    assert [each.text for each in answer.choices] == expected
    assert {each.finish_reason for each in answer.choices} <= {"stop", "length"}


def test_completion_of_plain_text(client: OpenAI, compressor: Compressor) -> None:
    answer = client.completions.create(model=MODEL, prompt="Once upon", temperature=0, max_tokens=12)
    assert answer.choices[0].text == compressor.generate(["Once upon"], max_new_tokens=12)[0]
    assert answer.usage is not None
    assert answer.usage.model_dump()["ratio"] is None


def test_stream_is_the_whole_in_pieces(client: OpenAI) -> None:
    whole = chat(client, parts({"id": "bridge"}), max_tokens=24)
    chunks = list(
        chat(client, parts({"id": "bridge"}), max_tokens=24, stream=True, stream_options={"include_usage": True})
    )
    assert "".join(each.choices[0].delta.content or "" for each in chunks[:-1]) == whole.choices[0].message.content
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == whole.choices[0].finish_reason
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert len(chunks) > 4


def test_stream_of_several_answers(client: OpenAI) -> None:
    options: dict[str, Any] = {
        "model": MODEL,
        "prompt": "Tell: ",
        "temperature": 0.7,
        "seed": 5,
        "n": 3,
        "max_tokens": 9,
    }
    whole = client.completions.create(**options)
    said = ["", "", ""]
    for chunk in client.completions.create(stream=True, **options):
        for choice in chunk.choices:
            said[choice.index] += choice.text
    assert said == [each.text for each in whole.choices]
    assert len(set(said)) > 1


def test_stop(client: OpenAI) -> None:
    whole = client.completions.create(model=MODEL, prompt="abc", temperature=0, max_tokens=20).choices[0].text
    stop = whole[5:7]
    options: dict[str, Any] = {"model": MODEL, "prompt": "abc", "temperature": 0, "max_tokens": 20, "stop": [stop]}
    answer = client.completions.create(**options).choices[0]
    assert answer.text == whole[: whole.index(stop)]
    assert answer.finish_reason == "stop"
    assert "".join(each.choices[0].text for each in client.completions.create(stream=True, **options)) == answer.text


def test_logprobs(client: OpenAI) -> None:
    answer = chat(client, parts({"id": "mill"}), logprobs=True, top_logprobs=3, max_tokens=4)
    told = answer.choices[0].logprobs.content
    assert len(told) == answer.usage.completion_tokens
    assert all(each.token == each.top_logprobs[0].token and each.logprob <= 0 for each in told)  # greedy
    assert all(len(each.top_logprobs) == 3 for each in told)
    completion = client.completions.create(model=MODEL, prompt="abc", temperature=0, logprobs=2, max_tokens=3)
    assert completion.choices[0].logprobs is not None
    assert len(completion.choices[0].logprobs.token_logprobs or []) == 3


def test_several_turns(client: OpenAI, compressor: Compressor) -> None:
    answer = client.chat.completions.create(
        model=MODEL,
        temperature=0,
        max_tokens=8,
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": parts({"text": TEXT})},  # type: ignore[typeddict-item]
            {"role": "assistant", "content": "The keeper."},
            {"role": "user", "content": "When?"},
        ],
    )
    prompt = ["Be brief.\n\n" + DOCUMENT, Context(TEXT), asked(QUESTION) + " The keeper.\n\nQuestion: When?\nAnswer:"]
    assert answer.choices[0].message.content == compressor.generate([prompt], stop="\n", max_new_tokens=8)[0]


@pytest.mark.parametrize(("read", "positions"), [("text", len(TEXT)), ("truncated", None)])
def test_documents_as_text(client: OpenAI, compressor: Compressor, read: str, positions: int | None) -> None:
    answer = chat(client, parts({"id": "lighthouse"}), extra_body={"read": read})
    taken = positions or len(compressor.encode([TEXT])[0])
    text = TEXT[:taken]  # a token a byte
    expected = compressor.generate([DOCUMENT + text + asked(QUESTION)], stop="\n", max_new_tokens=8)
    assert answer.choices[0].message.content == expected[0]
    assert answer.usage.model_dump()["vectors"] == 0


def test_models(client: OpenAI) -> None:
    assert [each.id for each in client.models.list()] == [MODEL]
    assert client.models.retrieve(MODEL).id == MODEL
    with pytest.raises(NotFoundError, match="other"):
        client.models.retrieve("other")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"frequency_penalty": 0.5}, "frequency_penalty"),
        ({"presence_penalty": -1}, "penalties"),
        ({"logit_bias": {"5": 2}}, "logit_bias"),
        ({"n": 99}, "n=99"),
        ({"max_tokens": 100_000}, "max_tokens=100000"),
        ({"temperature": 3}, "temperature"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        ({"extra_body": {"factor": 2, "max_vectors": 9}}, "factor and max_vectors"),
        ({"extra_body": {"max_vectors": 1}}, "max_vectors=1"),
        ({"extra_body": {"documents": [{}]}}, "exactly one"),
        ({"top_logprobs": 2}, "logprobs: true"),
    ],
)
def test_refusals_name_what_is_wrong(client: OpenAI, options: dict[str, Any], told: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        chat(client, parts({"text": TEXT}), **options)
    error = caught.value.body
    assert isinstance(error, dict)
    assert told in error["message"]
    assert error["type"] == "invalid_request_error"


def test_unknown_model(client: OpenAI) -> None:
    with pytest.raises(NotFoundError, match="gpt-5"):
        chat(client, QUESTION, model="gpt-5")


def test_window(client: OpenAI, compressor: Compressor) -> None:
    assert compressor.decoder is not None
    with pytest.raises(BadRequestError) as caught:
        client.completions.create(model=MODEL, prompt="x" * (compressor.decoder.window or 0), max_tokens=5)
    assert caught.value.code == "context_length_exceeded"
