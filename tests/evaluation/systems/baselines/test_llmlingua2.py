"""LLMLingua-2 on a classifier whose opinion is known."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import RobertaConfig, RobertaForTokenClassification

from arc_encoder.core.errors import CheckpointError, ConfigError
from arc_encoder.evaluation.session.session import Session
from arc_encoder.evaluation.systems import LLMLingua2
from tests.tiny_models import tiny_tokenizer

TEXT = "the BAKER sells fresh BREAD in the old TOWN"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A token classifier with two classes, and the byte tokenizer."""
    config = RobertaConfig(
        vocab_size=300, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, num_labels=2
    )
    torch.manual_seed(0)
    RobertaForTokenClassification(config).save_pretrained(tmp_path)
    tokenizer = tiny_tokenizer()
    tokenizer.pad_token = tokenizer.eos_token
    tokenizer.save_pretrained(tmp_path)
    return tmp_path


def likes_capitals(system: LLMLingua2, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the classifier keep what is written in capitals."""
    letters = {
        tiny_tokenizer()(letter, add_special_tokens=False)["input_ids"][0] for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    }

    def classify(input_ids: torch.Tensor, attention_mask: torch.Tensor) -> SimpleNamespace:
        capital = torch.isin(input_ids, torch.tensor(sorted(letters))).float()
        return SimpleNamespace(logits=torch.stack([-capital, capital], -1))

    classify.device = torch.device("cpu")  # type: ignore[attr-defined]
    monkeypatch.setattr(system, "_classifier", classify)


def test_the_best_words_are_kept_in_reading_order(
    folder: Path, text_session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = LLMLingua2(str(folder), tokens=16, length=24)  # read in several pieces
    system.open(text_session)
    likes_capitals(system, monkeypatch)
    shown = system.present(TEXT, tiny_tokenizer())
    assert shown is not None
    assert shown.text == "BAKER BREAD TOWN"
    fewer = LLMLingua2(str(folder))
    fewer.open(text_session)
    likes_capitals(fewer, monkeypatch)
    assert fewer.present(TEXT, tiny_tokenizer(), budget=11).text == "BAKER BREAD"  # type: ignore[union-attr]
    assert fewer.present(TEXT, tiny_tokenizer(), budget=1000).text == TEXT  # type: ignore[union-attr]


def test_scores_of_a_real_classifier_are_shares_and_do_not_depend_on_pieces(
    folder: Path, text_session: Session
) -> None:
    system = LLMLingua2(str(folder), tokens=5)
    assert system.open(text_session) is text_session
    scores = system.scores(TEXT)
    assert len(scores) == len(TEXT.split())
    assert all(0 < score < 1 for score in scores)
    assert len(set(scores)) > 5


def test_mistakes(folder: Path, text_session: Session) -> None:
    with pytest.raises(
        CheckpointError, match=r"systems.llmlingua2.model: no classifier .*gone': there is no such folder"
    ):
        LLMLingua2(str(folder / "gone")).open(text_session)
    (folder / "empty").mkdir()
    with pytest.raises(CheckpointError, match=r"no classifier could be loaded .*as `model`"):
        LLMLingua2(str(folder / "empty")).open(text_session)
    with pytest.raises(ConfigError, match="tokens=0 must be at least 1"):
        LLMLingua2(tokens=0)
    config = RobertaConfig(vocab_size=300, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, num_labels=3)
    RobertaForTokenClassification(config).save_pretrained(folder)
    with pytest.raises(CheckpointError, match="has 3 classes instead of 2"):
        LLMLingua2(str(folder)).open(text_session)


def test_the_classifier_s_operations_are_counted(folder: Path, text_session: Session) -> None:
    """Compared with what torch counts for the matrices and the attention of one piece."""
    system = LLMLingua2(str(folder), tokens=5, length=32)
    system.open(text_session)
    system._classifier.set_attn_implementation("eager")
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        system._classifier(input_ids=torch.full((1, 12), 70))
    small = sum(p.numel() for p in system._classifier.parameters() if p.ndim == 1)  # of biases and norms
    one = system.selection_work(1, 10.0)  # two special tokens are added
    assert 0 < one - counter.get_total_flops() <= 2 * 12 * small
    assert system.selection_work(3, 10.0) == 3 * one
    assert system.selection_work(1, 30.0) < system.selection_work(1, 60.0) == 2 * system.selection_work(1, 30.0)
    assert system.selection_work(0, 0.0) == 0
