"""Bodies of requests. They are OpenAI's, and documents besides; a field that nothing here honours is refused by name.

What asks for nothing is let through: fields that are null or empty, as clients send an answer's message back, and values
that say what is done anyway.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Text = Annotated[str, Field(min_length=1)]
Ids = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]  # of the decoder's tokenizer
STOPS = 16


class Body(BaseModel):
    """Unknown fields are refused, unless they are null or empty."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def without_nothing(cls, given: Any) -> Any:
        """Leave out unknown fields that ask for nothing."""
        if not isinstance(given, dict):
            return given
        return {name: value for name, value in given.items() if name in cls.model_fields or not _is_nothing(value)}


class DocumentSource(Body):
    """A document: one of its text, its id in the gateway's store, or its vectors as /embed gave them (base64)."""

    text: Text | None = None
    id: Text | None = None
    safetensors: Text | None = None
    type: Literal["document"] | None = None

    @model_validator(mode="after")
    def one(self) -> DocumentSource:
        """Refuse a document that says nothing, or several things."""
        if sum(each is not None for each in (self.text, self.id, self.safetensors)) != 1:
            raise ValueError("a document has exactly one of text, id and safetensors")
        return self


class DocumentPart(DocumentSource):
    """A document among the parts of a message."""

    type: Literal["document"]


class TextPart(Body):
    """A text among the parts of a message."""

    type: Literal["text"]
    text: str


ContentPart = Annotated[TextPart | DocumentPart, Field(discriminator="type")]


class Message(Body):
    """One message of a chat."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[ContentPart]
    name: str | None = None


class StreamOptions(Body):
    """What a stream holds besides its pieces."""

    include_usage: bool = False
    include_obfuscation: bool | None = None  # without effect: it hides lengths of pieces, as a network could see them


class PlainText(Body):
    """The form of an answer, of which there is one."""

    type: Literal["text"]


class GenerationBody(Body):
    """What both kinds of request have in common."""

    model: str
    documents: list[DocumentSource | Text] | None = None
    factor: Annotated[float, Field(ge=1, le=1000)] | None = None
    max_vectors: Annotated[int, Field(ge=1)] | None = None
    read: Literal["vectors", "text", "truncated"] = "vectors"
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    n: Annotated[int, Field(ge=1)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stop: Text | Annotated[list[Text], Field(max_length=STOPS)] | None = None
    ignore_eos: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    user: str | None = None  # from here on: read, without effect
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    metadata: dict[str, str] | None = None
    store: Literal[False] | None = None
    service_tier: Literal["auto", "default"] | None = None

    @property
    def stops(self) -> tuple[str, ...]:
        """Texts at which an answer ends."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

    @property
    def sources(self) -> list[DocumentSource]:
        """The documents at the top of the request."""
        return [DocumentSource(text=each) if isinstance(each, str) else each for each in self.documents or []]


class ChatBody(GenerationBody):
    """`POST /v1/chat/completions`."""

    messages: Annotated[list[Message], Field(min_length=1)]
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    response_format: PlainText | None = None
    modalities: list[Literal["text"]] | None = None
    tool_choice: Literal["none", "auto"] | None = None
    parallel_tool_calls: bool | None = None


class CompletionBody(GenerationBody):
    """`POST /v1/completions`."""

    prompt: (
        str
        | Annotated[list[ContentPart], Field(min_length=1)]
        | Annotated[list[str], Field(min_length=1, max_length=1)]
        | Ids
        | Annotated[list[Ids], Field(min_length=1, max_length=1)]
    )
    logprobs: Annotated[int, Field(ge=0, le=5)] | None = None
    echo: Literal[False] | None = None
    suffix: Literal[""] | None = None
    best_of: Literal[1] | None = None


class EmbedBody(Body):
    """`POST /embed`."""

    text: Text
    factor: Annotated[float, Field(ge=1, le=1000)] | None = None
    max_vectors: Annotated[int, Field(ge=1)] | None = None


class InspectBody(EmbedBody):
    """`POST /inspect`."""

    nearest: Annotated[int, Field(ge=1, le=10)] = 3


def _is_nothing(value: Any) -> bool:
    return value is None or value == "" or value == [] or value == {}
