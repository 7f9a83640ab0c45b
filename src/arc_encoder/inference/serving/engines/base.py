"""What an engine is asked, and what it answers.

To add one: subclass `Engine`, and name the class in a YAML file of `configs/engine`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TypeVar

from arc_encoder.inference.generation.sampling import Sampling
from arc_encoder.inference.serving.prompts.chat_format import ChatFormat
from arc_encoder.inference.serving.prompts.prompt import Part, Turn
from arc_encoder.inference.serving.protocol.errors import refused

T = TypeVar("T")


@dataclass(frozen=True)
class Job:
    """One prompt that is to be answered.

    Attributes:
        parts: the prompt.
        turns: the messages that it was made of; None for a completion.
        max_tokens: longest answer, in decoder tokens; None for as many as the window and the gateway allow.
        limit: what the gateway allows.
        n: answers.
        ignore_eos: continue to the maximum length, as measurements need it.
        sampling: temperature, top_p and seed. Each of several answers is a draw of its own.
        seeded: whether whoever asks chose the seed.
        stops: texts before which an answer ends.
        logprobs: how many of the likeliest tokens are told beside the chosen one; None tells nothing.
    """

    parts: tuple[Part, ...]
    turns: tuple[Turn, ...] | None = None
    max_tokens: int | None = None
    limit: int = 1024
    n: int = 1
    ignore_eos: bool = False
    sampling: Sampling = field(default_factory=Sampling)
    seeded: bool = True
    stops: tuple[str, ...] = ()
    logprobs: int | None = None


@dataclass(frozen=True)
class TokenLogprob:
    """A token that was said, and how likely it was.

    Attributes:
        token: its text; half a character is U+FFFD there.
        logprob: natural logarithm of its probability, before temperature.
        bytes: what it stands for, in UTF-8.
        offset: characters of the answer before it.
        top: the likeliest tokens there, the likeliest first.
    """

    token: str
    logprob: float
    bytes: bytes
    offset: int = 0
    top: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True)
class Delta:
    """What is added to one answer.

    Attributes:
        choice: which answer.
        text: what is added; may be nothing.
        finish: why it ends here, `stop` or `length`; None where it continues.
        logprobs: of the tokens that the text begins since; at the end also of those without text.
    """

    choice: int
    text: str
    finish: str | None = None
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True)
class Finished:
    """The end of all answers to a prompt."""

    prompt_tokens: int
    completion_tokens: int


class Engine(ABC):
    """A decoder that answers prompts of text and vectors, many at the same time.

    Attributes:
        format: how a chat becomes a prompt.
        name: of the engine, for /spec and logs.
    """

    format: ChatFormat
    name: str

    @abstractmethod
    def check(self) -> None:
        """Test, before anybody is served, that text as text and text as embeddings give the same answer.

        Raises:
            ConfigError: the engine cannot work as it is set up.
            ApiError: it is not available yet, and may be later.
        """

    @abstractmethod
    async def start(self) -> None:
        """Begin to work."""

    @abstractmethod
    async def stop(self) -> None:
        """End; what is being generated is given up."""

    @abstractmethod
    def generate(self, job: Job) -> AsyncGenerator[Delta | Finished]:
        """The answers to a prompt as they are generated, and `Finished` at last. Whoever stops reading stops them.

        Raises:
            ApiError: the prompt is refused, or the engine is not available.
        """

    @abstractmethod
    async def problem(self) -> str | None:
        """Why the engine cannot answer now, in a sentence; None where it can."""

    def call(self, work: Callable[[], T]) -> Future[T]:
        """Something else that needs the decoder, between two tokens.

        Raises:
            ApiError: the decoder is not in this process.
        """
        raise refused(f"the decoder of engine={self.name} is not in this process", code="no_decoder")

    def counters(self) -> dict[str, float]:
        """Numbers for /metrics, by name."""
        return {}
