"""`arc-serve` and `arc-bench serve`: what is wrong is said before anything runs, and SIGTERM lets answers finish."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from arc_encoder.commands.compressors import compress, serve
from arc_encoder.commands.measurements import bench
from tests.commands.conftest import Make
from tests.tiny_runs import Command, environment


@pytest.fixture
def run(make: Make) -> Command:
    return make(serve.main)


@pytest.fixture
def words(trained: Path, tiny_model: Path) -> list[str]:
    decoder = ["decoder=huggingface", f"decoders.huggingface.path={tiny_model}", "decoders.huggingface.dtype=float32"]
    return [f"checkpoint={trained}", *decoder, "threads=1", "device=cpu"]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["checkpoint=null"], "checkpoint is missing"),
        (["engine=local"], "TransformersEngine or VllmEngine"),
        (["engine=vllm", "engine.decoder=null", "engine.prompts=embeddings"], "folder as `decoder`"),
        (["engine.max_batch=0"], "engine.max_batch=0"),
        (["engine.max_bach=4"], "did you mean 'max_batch'"),
        (["limits.timeout=0"], "limits.timeout=0"),
        (["store=nowhere"], "no store at nowhere"),
        (["api_key_file=nowhere"], "cannot be read"),
        (["port=70000"], "port=70000"),
        (["log_level=loud"], "log_level='loud'"),
        (["pages=true"], "did you mean 'page'"),
    ],
    ids=lambda each: each[0] if isinstance(each, list) else "",
)
def test_mistakes(run: Command, words: list[str], more: list[str], told: str) -> None:
    assert told in run.fails(*words, *more)


def test_a_decoder_is_needed(run: Command, trained: Path) -> None:
    assert "such as decoder=toy_a" in run.fails(f"checkpoint={trained}", "device=cpu")


def test_compress_takes_none_of_these_engines(make: Make, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "doc.txt").write_text("text")
    told = make(compress.main).fails(f"checkpoint={trained}", "input=doc.txt", "output=store", "engine=transformers")
    assert "LocalEngine or RayEngine" in told


@pytest.mark.slow
def test_sigterm_lets_answers_finish(words: list[str], tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    start = "from arc_encoder.commands.start import serve; serve()"
    command = [sys.executable, "-c", start, *words, f"port={port}", "grace=20"]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    url = f"http://127.0.0.1:{port}"
    for _ in range(600):
        try:
            if httpx.get(f"{url}/ready").status_code == 200:
                break
        except httpx.HTTPError:
            assert process.poll() is None, process.communicate()
            time.sleep(0.1)
    body = {"model": "huggingface", "prompt": "abc", "temperature": 0, "max_tokens": 150, "ignore_eos": True}
    answers: list[httpx.Response] = []
    asking = threading.Thread(target=lambda: answers.append(httpx.post(f"{url}/v1/completions", json=body, timeout=60)))
    asking.start()
    while "arc_requests_in_flight 1.0" not in httpx.get(f"{url}/metrics").text:
        time.sleep(0.005)
    process.send_signal(signal.SIGTERM)
    asking.join()
    printed, logged = process.communicate(timeout=30)
    assert answers[0].status_code == 200
    assert answers[0].json()["usage"]["completion_tokens"] == 150
    assert f"http://127.0.0.1:{port}/v1" in printed
    lines = [json.loads(line) for line in logged.splitlines() if line.startswith("{")]
    assert [(each["route"], each["status"]) for each in lines] == [("/v1/completions", 200)]
    assert "Traceback" not in logged
    assert list(tmp_path.iterdir()) == []


def test_bench_serve(make: Make, words: list[str], tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("one two three four five six seven")
    more = [
        "text=words.txt",
        "documents=[32]",
        "clients=[1,3]",
        "factors=[4]",
        "rounds=1",
        "answer_tokens=4",
        "output=rows.json",
    ]
    printed = make(bench.serve)(*words, *more)
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert [(row["clients"], row["way"]) for row in rows] == [
        (clients, way) for clients in (1, 3) for way in ("text", "×4 cold", "×4 stored")
    ]
    assert len([line for line in printed.splitlines() if line.startswith("|")]) == 2 + len(rows)
    for row in rows:
        assert row["first_token_seconds"] > 0
        assert row["tokens_per_second"] > 0
    text, cold, stored = rows[:3]
    assert text["positions"] - stored["positions"] == 32 - 9
    assert 1 == text["implied_by_operations"] < stored["implied_by_operations"]
    assert cold["implied_by_operations"] < stored["implied_by_operations"]


def test_mistakes_of_bench_serve(make: Make, words: list[str]) -> None:
    command = make(bench.serve)
    assert "documents=[0]" in command.fails(*words, "documents=[0]")
    assert "window" in command.fails(*words, "documents=[100000]")
