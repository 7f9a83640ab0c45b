"""What a vLLM server says of itself, and whether it can be given vectors."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import httpx

from arc_encoder.core.errors import ConfigError

FLOOR = "0.33.0"  # below, tensors that a request declares are made at any size, and chats take no vectors


@dataclass(frozen=True)
class ServerFacts:
    """A server that can be used.

    Attributes:
        window: most positions of a prompt with its answer; None where it does not say.
    """

    version: str
    model: str
    window: int | None


def facts_of(client: httpx.Client, model: str | None, *, floor: str = FLOOR) -> ServerFacts:
    """Ask a server.

    Args:
        model: the name of the decoder there; None for the only one.

    Raises:
        ConfigError: a server that cannot be used: too old, without the model, or with LoRA, which together with prompt
            embeddings ends in illegal memory accesses on Llama (vLLM's issue 51122).
        httpx.HTTPError: no answer.
    """
    version = str(_json(client, "/version").get("version"))
    if _numbers(version) < _numbers(floor):
        raise ConfigError(
            f"the server at {client.base_url} runs vLLM {version}; prompt embeddings are safe from {floor} on, update it"
        )
    served: list[dict[str, Any]] = _json(client, "/v1/models").get("data", [])
    names = [each["id"] for each in served]
    if model is None and len(names) != 1:
        raise ConfigError(
            f"the server at {client.base_url} serves {', '.join(names) or 'nothing'}; choose with engine.model="
        )
    if model is not None and model not in names:
        raise ConfigError(
            f"the server at {client.base_url} serves {', '.join(names) or 'nothing'}, not engine.model={model}"
        )
    chosen = next(each for each in served if model in (None, each["id"]))
    adapter = next((each for each in served if each.get("parent") is not None), None)
    if adapter is not None:  # where one is served, LoRA is on for every request
        raise ConfigError(
            f"{adapter['id']} is a LoRA adapter of {adapter['parent']}: LoRA and prompt embeddings do not work together in vLLM; "
            "merge the adapter into the model, and serve none"
        )
    window = chosen.get("max_model_len")
    return ServerFacts(version, str(chosen["id"]), None if window is None else int(window))


def _json(client: httpx.Client, path: str) -> dict[str, Any]:
    answer = client.get(path)
    if answer.status_code in (401, 403):
        raise ConfigError(
            f"the server at {client.base_url} refuses its key; set the variable that engine.api_key_variable names"
        )
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", version)
    if found is None:
        raise ConfigError(f"the server says that its version is {version!r}, which is none of vLLM")
    return tuple(int(each or 0) for each in found.groups())
