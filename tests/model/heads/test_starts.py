"""What vectors begin as: means of the decoder's own embeddings, or of what a fitted map makes of the encoder's."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from arc_encoder.core.errors import ConfigError
from arc_encoder.core.segments import TaskToken
from arc_encoder.model.checkpoint.pretrained import ArcEncoderModel
from arc_encoder.model.encoder.pooling import KMeansPooling, LastPooling, MemoryTokens
from arc_encoder.model.heads.head import DecoderHead
from arc_encoder.model.heads.projectors import LinearProjector, MLPProjector, Projector
from arc_encoder.model.heads.starts import DecoderEmbeddings, MeanEmbeddings, SharedVocabulary
from arc_encoder.model.heads.starts.mean_embeddings import ridge
from arc_encoder.model.heads.starts.vocabulary import token_texts
from tests.tiny_models import VOCABULARY, WIDTH, head_settings, random_contexts, tiny_body, tiny_decoder, tiny_tokenizer


def with_start(width: int = WIDTH) -> dict[str, object]:
    start = {"name": "MeanEmbeddings", "settings": {"in_dim": WIDTH, "out_dim": width}}
    return {**head_settings(width), "start": start}


def compressor(width: int = WIDTH, **options: object) -> ArcEncoderModel:
    pooling = options.pop("pooling", LastPooling(3))
    return ArcEncoderModel.build(tiny_body(), pooling, {"decoder": with_start(width)}, **options).eval()  # type: ignore[arg-type]


def identity(model: ArcEncoderModel) -> ArcEncoderModel:
    embeddings = model.encoder.backbone.get_input_embeddings()
    start = model.head("decoder").start
    assert isinstance(start, MeanEmbeddings)
    start.fit(SharedVocabulary(*[(embeddings, tiny_tokenizer())] * 2, "decoder"))
    return model


@torch.no_grad()
def test_vectors_begin_as_means_of_the_embeddings_that_they_stand_for() -> None:
    model = identity(compressor())
    ids, lengths = random_contexts([7, 4, 1])
    vectors, counts = model(ids, lengths, "decoder")
    embed = model.encoder.backbone.get_input_embeddings()
    groups = [[[0, 1, 2], [3, 4], [5, 6]], [[0, 1], [2, 3]], [[0]]]
    for row, parts in enumerate(groups):
        assert counts[row] == len(parts) + 1
        for place, part in enumerate(parts):
            torch.testing.assert_close(vectors[row, place], embed(ids[row, part]).mean(0), atol=1e-5, rtol=1e-4)
        assert vectors[row, len(parts)].abs().max() == 0  # the task token, projected by zeros


@torch.no_grad()
def test_chunks_and_groups_of_similar_length_change_nothing() -> None:
    from arc_encoder.model.encoder.chunking import Chunking

    ids, lengths = random_contexts([12, 6, 3, 11])
    whole = identity(compressor(chunking=Chunking(size=6), length_buckets=1))
    grouped = identity(compressor(chunking=Chunking(size=6), length_buckets=4))
    for row in range(4):
        alone, _ = whole(ids[row : row + 1, : lengths[row]], lengths[row : row + 1], "decoder")
        for model in (whole, grouped):
            vectors, counts = model(ids, lengths, "decoder")
            torch.testing.assert_close(vectors[row, : counts[row]], alone[0])


def test_gradients_reach_projector_and_start() -> None:
    model = identity(compressor())
    ids, lengths = random_contexts([7, 4])
    vectors, _ = model(ids, lengths, "decoder", TaskToken.CONTINUE)
    vectors.square().sum().backward()
    head = model.head("decoder")
    assert head.start is not None
    assert head.start.map.weight.grad.abs().sum() > 0
    assert head.projector.layer2.weight.grad.abs().sum() > 0


def test_a_saved_one_comes_back(tmp_path: object) -> None:
    model = identity(compressor())
    ids, lengths = random_contexts([7, 4])
    model.save_pretrained(tmp_path)
    loaded = ArcEncoderModel.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        torch.testing.assert_close(loaded(ids, lengths, "decoder")[0], model(ids, lengths, "decoder")[0])


def test_ridge_finds_a_linear_map_exactly_and_does_not_learn_noise_by_heart() -> None:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(200, 16, generator=generator, dtype=torch.float64)
    true = torch.randn(16, 24, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(ridge(inputs, inputs @ true), true, atol=1e-6, rtol=1e-6)
    few = inputs[:20]  # little more than unknowns, and noise as large as what is looked for
    noisy = few @ true + 4 * torch.randn(20, 24, generator=generator, dtype=torch.float64)
    plain = torch.linalg.lstsq(few, noisy).solution
    assert (ridge(few, noisy) - true).norm() < 0.7 * (plain - true).norm()


def test_tokens_are_compared_by_their_text() -> None:
    texts = token_texts(tiny_tokenizer(), rows=300)
    assert texts["x"] == tiny_tokenizer().convert_tokens_to_ids("x")
    assert " " in texts
    assert "</s>" not in texts
    assert "<extra0>" not in token_texts(tiny_tokenizer(extra=2), rows=259)  # the model has no embedding for it


def test_a_map_is_fitted_between_different_models() -> None:
    decoder = tiny_decoder(width=48, seed=7)
    body = tiny_body()
    start = MeanEmbeddings(WIDTH, 48)
    mine, theirs = body.get_input_embeddings(), decoder.model.get_input_embeddings()
    start.fit(SharedVocabulary((mine, tiny_tokenizer()), (theirs, decoder.tokenizer), "other"))
    with torch.no_grad():
        error = (start(mine.weight) - theirs.weight).square().mean()
        zero = theirs.weight.square().mean()
    assert error < zero  # 256 random tokens are better than nothing


def words(*names: str) -> PreTrainedTokenizerFast:
    from tokenizers import Tokenizer, models, pre_tokenizers

    made = Tokenizer(models.WordLevel({name: i for i, name in enumerate(["<unk>", "a", *names])}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=made, unk_token="<unk>")


def splitting() -> Any:
    """Each character by itself, without spaces."""
    from tokenizers import Regex, pre_tokenizers

    return pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Split(Regex("."), "isolated")])


def test_tokenizers_without_a_common_token_are_refused() -> None:
    mine, theirs = words("x"), words("y")
    theirs.add_special_tokens({"additional_special_tokens": ["a"]})
    with pytest.raises(ConfigError, match=r"'other' have no token in common.*choose no start"):
        SharedVocabulary((nn.Embedding(3, 4), mine), (nn.Embedding(3, 4), theirs), "other")


@torch.no_grad()
def test_a_table_holds_the_decoders_embeddings_of_each_tokens_text() -> None:
    mine, theirs = words("x", "y", "xy"), words("y", "x")
    theirs._tokenizer.pre_tokenizer = splitting()
    encoder, decoder = nn.Embedding(5, 4), nn.Embedding(4, 6)
    table = SharedVocabulary((encoder, mine), (decoder, theirs), "other").decoder_for_each
    assert table.shape == (5, 6)
    torch.testing.assert_close(table[2], decoder.weight[3])  # x
    torch.testing.assert_close(table[3], decoder.weight[2])  # y
    torch.testing.assert_close(table[4], decoder.weight[2:].mean(0))  # xy, which the decoder's tokenizer takes apart
    assert table[0].abs().max() == 0  # <unk> has no text


@torch.no_grad()
def test_each_decoder_is_given_means_of_its_own_embeddings() -> None:
    pooling, settings = LastPooling(3), {"in_dim": WIDTH, "out_dim": 48, "vocabulary": VOCABULARY}
    other = {**head_settings(48), "start": {"name": "DecoderEmbeddings", "settings": settings}}
    model = ArcEncoderModel.build(tiny_body(), pooling, {"decoder": with_start(), "other": other}).eval()
    start = model.head("other").start
    assert isinstance(start, DecoderEmbeddings)
    ids, lengths = random_contexts([7, 4])
    vectors, _ = model(ids, lengths, "other")
    torch.testing.assert_close(vectors[0, 1], start.table.weight[ids[0, 3:5]].mean(0))
    assert model(ids, lengths, "decoder")[0].shape == (*vectors.shape[:2], WIDTH)


def test_a_table_without_a_vocabulary_is_refused() -> None:
    with pytest.raises(ConfigError, match="vocabulary=0"):
        DecoderEmbeddings(4, 6)


class Roomless(Projector):
    """Says of no matrix that it is the last."""

    def forward(self, vectors: Tensor) -> Tensor:
        return vectors


del Projector.registry["Roomless"]  # a projector of this test alone


def test_a_projector_without_room_is_refused() -> None:
    with pytest.raises(ConfigError, match="Roomless names no `last_matrix`"):
        DecoderHead(Roomless(4, 4), start=MeanEmbeddings(4, 4))


@pytest.mark.parametrize("pooling", [KMeansPooling(3), MemoryTokens(4)], ids=lambda each: type(each).__name__)
def test_poolings_whose_vectors_stand_for_no_neighbours_are_refused(pooling: object) -> None:
    with pytest.raises(ConfigError, match="choose no start"):
        compressor(pooling=pooling)


@torch.no_grad()
@pytest.mark.parametrize("kind", [MLPProjector, LinearProjector])
def test_a_gain_multiplies_the_projectors_output(kind: type[Projector]) -> None:
    head = DecoderHead(kind(4, 6), gain=3.0)
    plain = DecoderHead(head.projector)
    plain.task_tokens = head.task_tokens
    vectors, counts = torch.randn(2, 5, 4), torch.tensor([5, 3])
    torch.testing.assert_close(
        head(vectors, counts, TaskToken.CONTINUE)[0], 3 * plain(vectors, counts, TaskToken.CONTINUE)[0]
    )
    assert head.gain is not None
    assert head.gain.requires_grad
    with pytest.raises(ConfigError, match="gain=0"):
        DecoderHead(kind(4, 6), gain=0.0)
