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


def test_logprobs_hold_the_bytes_of_the_text(client: OpenAI) -> None:
    answer = chat(client, QUESTION, logprobs=True, top_logprobs=5, max_tokens=24, temperature=1, seed=3).choices[0]
    told = answer.logprobs.content
    assert b"".join(bytes(each.bytes) for each in told).decode(errors="replace") == answer.message.content
    assert any(each.token == "\ufffd" and len(each.bytes) == 1 for each in told)  # half a character, by its own byte


@pytest.mark.parametrize("stop", [False, True])
def test_offsets_of_tokens(client: OpenAI, stop: bool) -> None:
    options: dict[str, Any] = {
        "model": MODEL, "prompt": "abc", "temperature": 1, "seed": 2, "max_tokens": 24, "logprobs": 5, "stop": "zzzz"
    }  # fmt: skip
    whole = client.completions.create(**options).choices[0]
    if stop:
        place = next(i for i in range(5, 20) if whole.text.index(whole.text[i : i + 2]) == i)
        options["stop"] = [whole.text[place : place + 2], "zzzzzzzz"]
        whole = client.completions.create(**options).choices[0]
        assert len(whole.text) == place
    assert whole.logprobs is not None
    offsets, tokens = whole.logprobs.text_offset or [], whole.logprobs.tokens or []
    assert offsets == sorted(offsets)
    assert offsets[-1] < len(whole.text)
    assert all(
        whole.text[offset] == token for offset, token in zip(offsets, tokens, strict=True) if len(token.encode()) == 1
    )
    told = whole.logprobs.top_logprobs or []
    assert all(len(each) == 5 or "" in each for each in told)  # this decoder has ids that stand for nothing
    streamed = [each.choices[0] for each in client.completions.create(stream=True, **options)]
    assert [one for each in streamed if each.logprobs for one in each.logprobs.text_offset or []] == offsets
    assert [one for each in streamed if each.logprobs for one in each.logprobs.tokens or []] == tokens


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


@pytest.mark.parametrize("dumped", [False, True])
def test_an_answer_is_sent_back_as_the_client_gave_it(client: OpenAI, dumped: bool) -> None:
    """With its null and empty fields: refusal, annotations, audio, tool_calls."""
    first = chat(client, QUESTION).choices[0].message
    assert "refusal" in first.model_dump()
    messages: list[Any] = [
        {"role": "user", "content": QUESTION},
        first.model_dump() | {"annotations": []} if dumped else first,
        {"role": "user", "content": "When?"},
    ]
    plain: list[Any] = [messages[0], {"role": "assistant", "content": first.content}, messages[2]]
    one, other = (
        client.chat.completions.create(model=MODEL, messages=each, temperature=0, max_tokens=8)
        for each in (messages, plain)
    )
    assert one.choices[0].message.content == other.choices[0].message.content
    messages[1] = {"role": "assistant", "content": "x", "tool_calls": [{"id": "1"}]}
    with pytest.raises(BadRequestError, match="tool_calls"):
        client.chat.completions.create(model=MODEL, messages=messages)


@pytest.mark.parametrize(
    "options",
    [
        {"response_format": {"type": "text"}},
        {"tools": []},
        {"tools": [], "tool_choice": "none", "parallel_tool_calls": True},
        {"metadata": {"a": "b"}, "store": False, "service_tier": "auto", "safety_identifier": "x"},
        {"modalities": ["text"], "prompt_cache_key": "k", "user": "u"},
        {"logprobs": False, "top_logprobs": 0},
        {"frequency_penalty": 0, "presence_penalty": 0, "logit_bias": {}},
        {"extra_body": {"something_new": None, "guided": ""}},
        {"extra_body": {"documents": []}},
    ],
)
def test_what_asks_for_nothing_else_is_accepted(client: OpenAI, options: dict[str, Any]) -> None:
    assert chat(client, QUESTION, **options).choices[0].message == chat(client, QUESTION).choices[0].message


def test_helpers_of_the_client(client: OpenAI) -> None:
    options: dict[str, Any] = {"include_usage": True, "include_obfuscation": False}
    assert list(chat(client, QUESTION, stream=True, stream_options=options))[-1].usage
    stop = (
        chat(client, QUESTION).choices[0].message.content[2]
    )  # these helpers refuse answers that were cut by their length
    asked: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": QUESTION}], "stop": stop}
    asked["temperature"] = 0
    with client.chat.completions.stream(**asked) as stream:
        assert stream.get_final_completion().choices[0].finish_reason
    assert client.chat.completions.parse(**asked).choices[0].finish_reason


def test_a_prompt_of_ids(client: OpenAI, compressor: Compressor) -> None:
    assert compressor.decoder is not None
    ids = [*compressor.decoder.prefix_ids, *compressor.decoder.token_ids("Once upon")]
    options: dict[str, Any] = {"model": MODEL, "temperature": 0, "max_tokens": 8}
    text = client.completions.create(prompt="Once upon", **options)
    for prompt in (ids, [ids]):
        answer = client.completions.create(prompt=prompt, **options)
        assert answer.choices[0].text == text.choices[0].text
        assert answer.usage == text.usage
    with pytest.raises(BadRequestError, match="the id 99999"):
        client.completions.create(prompt=[5, 99999], **options)
    body = {"documents": [{"id": "mill"}]}
    answer = client.completions.create(prompt=compressor.decoder.token_ids("x"), extra_body=body, **options)
    assert answer.choices[0].text == client.completions.create(prompt="x", extra_body=body, **options).choices[0].text


def test_documents_with_their_type(client: OpenAI) -> None:
    one, other = (
        chat(client, QUESTION, extra_body={"documents": [{**more, "text": TEXT}]})
        for more in ({"type": "document"}, {})
    )
    assert one.choices[0].message == other.choices[0].message
    assert one.usage == other.usage


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
        ({"tool_choice": "required"}, "tool_choice"),
        ({"response_format": {"type": "json_object"}}, "response_format.type"),
        ({"store": True}, "store"),
        ({"reasoning_effort": "low"}, "reasoning_effort"),
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
