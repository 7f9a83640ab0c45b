"""A new decoder on a trained ARC-Encoder, and into its folder."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
import torch

from arc_encoder.core.errors import CheckpointError, ConfigError
from arc_encoder.core.segments import TaskToken
from arc_encoder.model.assembly.extend import extend_arc_model
from arc_encoder.model.checkpoint.pretrained import ArcEncoderModel
from arc_encoder.model.encoder.chunking import Chunking
from arc_encoder.model.heads.projectors import MLPProjector
from tests.tiny_models import random_contexts, tiny_compressor, tiny_decoder, tiny_tokenizer

PROJECTOR = functools.partial(MLPProjector, bottleneck=24)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    folder = tmp_path / "published"
    tiny_compressor(widths={"old": 32}, chunking=Chunking(10, 3)).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def test_the_encoder_comes_from_the_folder_and_the_head_is_fresh(published: Path) -> None:
    model, tokenizer = extend_arc_model(str(published), PROJECTOR, {"new": tiny_decoder(width=48)})
    old = ArcEncoderModel.from_pretrained(published)
    compressor = model.compressor
    assert list(compressor.heads) == ["old", "new"]
    assert (compressor.chunking.size, compressor.chunking.max_chunks) == (10, 3)
    assert tokenizer.eos_token == "</s>"
    assert compressor.head("new").projector.out_dim == 48
    assert all(torch.equal(token, torch.ones(32)) for token in compressor.head("new").task_tokens.values())
    ids, lengths = random_contexts([9, 25])
    for task_token in TaskToken:
        ours, theirs = (each(ids, lengths, "old", task_token)[0] for each in (compressor, old))
        assert torch.equal(ours, theirs)
    compressor.save_pretrained(published.parent / "again")
    assert set(ArcEncoderModel.from_pretrained(published.parent / "again").heads) == {"old", "new"}


def test_task_tokens_and_chunking_may_be_chosen(published: Path) -> None:
    chat = tiny_decoder()
    chat.chat = True
    decoders = {"plain": tiny_decoder(), "chat": chat}
    model, _ = extend_arc_model(str(published), PROJECTOR, decoders, chunking=Chunking(7, 2))
    assert [model.compressor.head(name).extra_vectors() for name in decoders] == [1, 0]
    assert model.compressor.chunking == Chunking(7, 2)
    model, _ = extend_arc_model(str(published), PROJECTOR, {"new": tiny_decoder()}, task_tokens=False)
    assert model.compressor.head("new").extra_vectors() == 0


def test_a_known_decoder_and_an_empty_folder_are_refused(published: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="already serves old"):
        extend_arc_model(str(published), PROJECTOR, {"old": tiny_decoder()})
    with pytest.raises(CheckpointError, match="there is no such folder"):
        extend_arc_model(str(tmp_path / "nothing"), PROJECTOR, {"new": tiny_decoder()})


def test_a_head_may_begin_as_another_one(published: Path) -> None:
    chat = tiny_decoder()
    chat.chat = True
    model, _ = extend_arc_model(str(published), PROJECTOR, {"chat": chat, "again": tiny_decoder()}, head_from="old")
    compressor = model.compressor
    ids, lengths = random_contexts([9, 25])
    chats, lengths_of_chats = compressor(ids, lengths, "chat", TaskToken.CONTINUE)
    olds, _ = compressor(ids, lengths, "old", TaskToken.CONTINUE)
    again, _ = compressor(ids, lengths, "again", TaskToken.CONTINUE)
    assert torch.equal(again, olds)
    assert all(torch.equal(chats[i, :n], olds[i, :n]) for i, n in enumerate(lengths_of_chats))
    assert not compressor.head("chat").task_tokens
    with torch.no_grad():
        next(compressor.head("chat").projector.parameters()).add_(1.0)
    assert torch.equal(compressor(ids, lengths, "old", TaskToken.CONTINUE)[0], olds)


def test_a_head_of_nobody_or_of_another_width_is_refused(published: Path) -> None:
    with pytest.raises(ConfigError, match="no decoder of this ARC-Encoder; it serves old"):
        extend_arc_model(str(published), PROJECTOR, {"new": tiny_decoder()}, head_from="older")
    with pytest.raises(ConfigError, match="width 32, but decoder 'new' reads 48"):
        extend_arc_model(str(published), PROJECTOR, {"new": tiny_decoder(width=48)}, head_from="old")
