"""Real questions and documents go through training and evaluation: nothing breaks on them. Scores mean nothing here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tiny_runs import finish, start

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
FILES = ["qa/squad11_dev", "long/qmsum_full_train", "translation/flores101_devtest"]  # one of each kind of text

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SHARED.is_dir(), reason=f"real text is not here: {SHARED}"),
]


@pytest.mark.parametrize("file", FILES)
def test_questions_are_trained_on_and_asked(file: str, tmp_path: Path) -> None:
    path = SHARED / f"{file}.jsonl.gz"
    source = f"data.tasks.qa.source.path={path}"
    small = ["data.tasks.qa.shots=2", "data.tasks.qa.max_tokens=256", "data.batch_size=2", "data.workers=0"]
    output = finish(
        start(
            "arc-train", "data=jsonl_finetune", source, *small, "optim=toy_finetune", "optim.warmup_steps=1",
            "trainer.max_steps=3", "trainer.val_check_interval=3", "threads=1", "hydra.run.dir=run", cwd=tmp_path,
        )
    )  # fmt: skip
    assert "max_steps=3" in output
    asked = finish(
        start(
            "arc-eval", "checkpoint=run/compressor", f"benchmark.path={path}", "benchmark.limit=3", "benchmark.shots=0",
            "system=[arc,closed_book]", "factors=[8]", "threads=1", cwd=tmp_path,
        )
    )  # fmt: skip
    assert "arc ×8" in asked
