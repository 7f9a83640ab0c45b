"""The examples for Docker and Kubernetes: they can be read, and what they say to `arc-serve` it understands.

No image is built here.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from arc_encoder.config.validation.check import find_problems
from arc_encoder.config.validation.keys import keys_of
from tests.tiny_runs import composed

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


def dockerfile(instruction: str) -> list[str]:
    (words,) = re.findall(rf"^{instruction} (\[.*\])$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    found: list[str] = json.loads(words)
    return found


def arguments() -> dict[str, list[str]]:
    services: Any = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    deployment: Any = next(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))
    containers = {each["name"]: each for each in deployment["spec"]["template"]["spec"]["containers"]}
    return {
        "Dockerfile": dockerfile("CMD"),
        "compose": services["gateway"]["command"],
        "kubernetes": containers["gateway"]["args"],
    }


@pytest.mark.parametrize("place", ["Dockerfile", "compose", "kubernetes"])
def test_arc_serve_understands_its_words(place: str) -> None:
    command, *fixed = dockerfile("ENTRYPOINT")
    assert command == "arc-serve"
    config = composed([*fixed, *arguments()[place], "paths.run=."], "serve")
    assert find_problems(config, keys=keys_of("serve")) == []
    assert config.engine._target_.endswith("VllmEngine")
    assert config.host == "0.0.0.0"


def test_vllm_is_reached_by_the_gateway_alone() -> None:
    services: Any = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    vllm = services["services"]["vllm"]
    assert "ports" not in vllm
    assert vllm["networks"] == ["private"]
    assert services["networks"]["private"]["internal"] is True
    deployment, service = yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())
    containers = {each["name"]: each for each in deployment["spec"]["template"]["spec"]["containers"]}
    assert containers["vllm"]["args"][:2] == ["--host", "127.0.0.1"]
    assert service["spec"]["ports"][0]["targetPort"] == 8080


def test_no_default_of_the_model_reaches_vllm() -> None:
    """Its generation_config.json may bring a penalty, which vLLM's engine does not survive together with embeddings."""
    services: Any = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    deployment: Any = next(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))
    vllm = next(each for each in deployment["spec"]["template"]["spec"]["containers"] if each["name"] == "vllm")
    for words in (services["vllm"]["command"], vllm["args"]):
        assert words[words.index("--generation-config") + 1] == "vllm"


def test_a_pod_has_time_to_begin_and_to_end() -> None:
    spec: Any = next(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))["spec"]["template"]["spec"]
    containers = {each["name"]: each for each in spec["containers"]}
    gateway = containers["gateway"]
    assert gateway["startupProbe"]["httpGet"]["path"] == "/health"
    assert "httpGet" not in containers["vllm"]["startupProbe"]  # it cannot be reached from outside the pod
    command, delay = gateway["lifecycle"]["preStop"]["exec"]["command"]
    assert command == "sleep"
    grace = next(int(word.removeprefix("grace=")) for word in gateway["args"] if word.startswith("grace="))
    assert int(delay) + grace < spec["terminationGracePeriodSeconds"]


def test_what_the_image_copies_is_there() -> None:
    copied = re.findall(r"^COPY (.+) \S+$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    assert all((DEPLOY.parent / name).exists() for line in copied for name in line.split())
