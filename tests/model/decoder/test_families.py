"""Every family of decoders: exact gradients, generation in batches, and text as the plain model reads it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    GenerationConfig,
    PreTrainedModel,
)

from arc_encoder.core.batch import ArcBatch
from arc_encoder.core.errors import CheckpointError, ConfigError
from arc_encoder.model.arc_model import ArcForCausalLM
from arc_encoder.model.decoder.load import FrozenDecoder, load_decoder
from tests.tiny_decoders import FAMILIES, Float64, tiny_causal
from tests.tiny_models import WIDTH, make_batch, numbers, random_contexts, randomize, tiny_compressor, tiny_tokenizer

every_family = pytest.mark.parametrize("family", FAMILIES)


def arc_model(family: str, **options: str) -> ArcForCausalLM:
    decoder = FrozenDecoder(tiny_causal(family, **options), tiny_tokenizer())
    return ArcForCausalLM(tiny_compressor(widths={"decoder": WIDTH}), {"decoder": decoder}).eval()


def training_batch() -> ArcBatch:
    """Two samples of different lengths: a context in the middle, and one right in front of its target."""
    ids = [list(numbers(n, seed=n)) for n in (3, 9, 4, 5, 6, 7)]
    return make_batch(
        [
            [("plain", ids[0]), ("context", ids[1]), ("plain", ids[2]), ("target", ids[3])],
            [("plain", ids[0][:1]), ("context", ids[4]), ("target", ids[5])],
        ]
    )


class Shift(nn.Module):
    """Adds `delta` (C, M, E) to the vectors that a compressor inserts."""

    def __init__(self, arc: ArcForCausalLM, delta: Tensor) -> None:
        super().__init__()
        self.delta = delta
        arc.compressor.register_forward_hook(lambda _m, _i, out: (out[0] + self.delta.to(out[0].dtype), out[1]))


def full_loss(arc: ArcForCausalLM, batch: ArcBatch) -> Tensor:
    """The loss from logits at all positions, token by token."""
    embeddings, layout = arc.merge(batch)
    logits = arc.decoder("decoder").model(inputs_embeds=embeddings, attention_mask=layout.mask.long()).logits
    total = logits.new_zeros(())
    for row, text, wanted, positions in zip(
        logits, batch.text_ids, batch.target_mask, layout.text_positions, strict=True
    ):
        for token, position in zip(text[wanted], positions[wanted], strict=True):
            total = total - row[position - 1].log_softmax(-1)[token]
    return total


@every_family
def test_the_gradient_of_the_inserted_vectors_is_exact(family: str) -> None:
    """Autograd against central differences in float64, along random directions."""
    arc, batch = arc_model(family, experts="eager").double(), training_batch()
    vectors, counts = arc.compressor(batch.context_ids, batch.context_lengths, "decoder", batch.task_token)
    shift = Shift(arc, torch.zeros_like(vectors).requires_grad_())
    with Float64():
        loss = arc(batch).loss_sum
        assert loss.dtype == torch.float64
        gradient = torch.autograd.grad(loss, shift.delta)[0]
        torch.testing.assert_close(full_loss(arc, batch), loss, rtol=1e-9, atol=1e-9)
        generator = torch.Generator().manual_seed(3)
        for _ in range(3):
            direction = torch.randn(vectors.shape, generator=generator, dtype=torch.float64)
            step, losses = 1e-5, []
            with torch.no_grad():
                for sign in (1, -1):
                    shift.delta = sign * step * direction
                    losses.append(arc(batch).loss_sum)
            slope = (losses[0] - losses[1]) / (2 * step)
            torch.testing.assert_close((gradient * direction).sum(), slope, rtol=1e-6, atol=1e-7)
    real = torch.arange(vectors.shape[1]) < counts[:, None]
    assert torch.equal(gradient.norm(dim=-1) > 0, real), "every vector is seen, and nothing else"


@torch.no_grad()
@every_family
def test_generating_in_a_batch_is_generating_one_by_one(family: str) -> None:
    """Prompts of different lengths, with and without contexts, so that all but one are padded on the left."""
    arc = arc_model(family)
    decoder = arc.decoder("decoder")
    ids = [list(numbers(n, seed=n)) for n in (2, 17, 5, 11, 1)]
    prompts = [
        [("plain", ids[0]), ("context", ids[1]), ("plain", ids[2])],
        [("plain", ids[4]), ("context", ids[3])],
        [("plain", ids[3])],
        [("plain", ids[4]), ("context", ids[1]), ("context", ids[3]), ("plain", ids[1])],
    ]
    rows = []
    for group in (prompts, *([prompt] for prompt in prompts)):
        embeddings, layout = arc.merge(make_batch(group), pad_left=True)
        rows += decoder.generate(embeddings, layout.mask, max_new_tokens=8).tolist()
    assert len({tuple(row) for row in rows}) > 2, "the prompts should differ in what follows"
    for together, alone in zip(rows[: len(prompts)], rows[len(prompts) :], strict=True):
        assert together[: len(alone)] == alone


def greedy(model: PreTrainedModel, ids: Tensor, mask: Tensor) -> list[list[int]]:
    """New tokens of the plain library's generation."""
    settings = GenerationConfig(max_new_tokens=8, do_sample=False, eos_token_id=2, pad_token_id=0)
    made: Tensor = model.generate(input_ids=ids, attention_mask=mask.long(), generation_config=settings)
    return made[:, ids.shape[1] :].tolist()


@every_family
def test_text_is_read_as_by_the_plain_model_before_and_after_a_training_step(family: str) -> None:
    arc, plain = arc_model(family), tiny_causal(family)
    decoder = arc.decoder("decoder")
    ids, _ = random_contexts([9, 9])
    mask = torch.ones(2, 9, dtype=torch.bool)
    with torch.no_grad():
        logits = plain(input_ids=ids, attention_mask=mask.long(), use_cache=False).logits.flatten(0, 1)
        answers = greedy(plain, ids, mask)
        fingerprint = decoder.fingerprint()

    def check() -> None:
        with torch.no_grad():
            assert torch.equal(decoder.logits(decoder.embed(ids), mask, mask), logits)
            assert decoder.generate(decoder.embed(ids), mask, max_new_tokens=8).tolist() == answers
        assert decoder.fingerprint() == fingerprint

    check()
    trained = [parameter for parameter in arc.train().parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=0.1)
    first = arc(training_batch()).loss
    first.backward()
    optimizer.step()
    assert arc(training_batch()).loss != first
    check()


def with_images(*, tied: bool) -> PreTrainedModel:
    """A tiny Gemma 3 of the kind that reads images too."""
    text = FAMILIES["gemma3"](2, WIDTH).to_dict() | {"tie_word_embeddings": tied}
    vision = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = AutoConfig.for_model(
        "gemma3", text_config=text, vision_config=vision | {"image_size": 28, "patch_size": 14}, mm_tokens_per_image=4
    )
    config.tie_word_embeddings = tied
    model = AutoModelForCausalLM.from_config(config).eval()
    randomize(model, 3)
    model.tie_weights()
    return model


@torch.no_grad()
@pytest.mark.parametrize("tied", [False, True])
def test_of_a_model_that_reads_images_the_language_model_is_taken(tied: bool, tmp_path: Path) -> None:
    whole = with_images(tied=tied)
    whole.save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    decoder = load_decoder(tmp_path)
    assert type(decoder.model).__name__ == "Gemma3ForCausalLM"
    assert not any("vision" in name for name, _ in decoder.named_parameters())
    ids, _ = random_contexts([9, 9])
    mask = torch.ones(2, 9, dtype=torch.bool)
    logits = whole(input_ids=ids, attention_mask=mask.long()).logits.flatten(0, 1)
    assert torch.equal(decoder.logits(decoder.embed(ids), mask, mask), logits)
    assert decoder.generate(decoder.embed(ids), mask, max_new_tokens=8).tolist() == greedy(whole, ids, mask)


def test_weights_that_are_not_in_the_folder_are_missed(tmp_path: Path) -> None:
    model = tiny_causal("llama")
    tiny_tokenizer().save_pretrained(tmp_path)
    state = {name: value for name, value in model.state_dict().items() if "layers.1.mlp" not in name}
    model.save_pretrained(tmp_path, state_dict=state)
    with pytest.raises(CheckpointError, match=r"lack the weights model\.layers\.1\.mlp"):
        load_decoder(tmp_path)


SMALL = {"vocab_size": 300, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
SMALL |= {"num_attention_heads": 4, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
SEQ2SEQ = {"vocab_size": 300, "d_model": 32, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 4}
SEQ2SEQ |= {"decoder_attention_heads": 4, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "max_position_embeddings": 64}


def unfit(kind: str) -> PreTrainedModel:
    if kind == "t5":
        config = AutoConfig.for_model("t5", vocab_size=300, d_model=32, d_kv=8, d_ff=64, num_layers=1, num_heads=4)
        return AutoModelForSeq2SeqLM.from_config(config)
    if kind == "llama":
        return AutoModel.from_config(FAMILIES["llama"](1, WIDTH))
    sizes = {
        "bart": SEQ2SEQ,
        "bert": SMALL,
        "cpmant": {"vocab_size": 300, "hidden_size": 32, "num_attention_heads": 4, "dim_head": 8, "dim_ff": 64}
        | {"num_hidden_layers": 1, "prompt_types": 2, "prompt_length": 4},
        "xlstm": {"vocab_size": 300, "hidden_size": 32, "num_heads": 4, "num_hidden_layers": 1},
        "rwkv": {"vocab_size": 300, "hidden_size": 32, "num_hidden_layers": 2},
        "ctrl": {"vocab_size": 300, "n_embd": 32, "n_head": 4, "n_layer": 1, "dff": 64},
    }
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **sizes[kind]))
    randomize(model)
    return model


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("t5", "t5 cannot be a decoder: it is an encoder-decoder model"),
        ("bart", "BartForCausalLM cannot be a decoder: it is the decoder half of an encoder-decoder model"),
        ("bert", "bert cannot be a decoder: it reads in both directions"),
        ("cpmant", "CpmAntForCausalLM cannot be a decoder: it reads token ids only.*no inputs_embeds"),
        ("xlstm", "xLSTMForCausalLM cannot be a decoder: it knows no padding.*no attention_mask"),
        ("rwkv", "RwkvForCausalLM cannot be a decoder: it reads padding"),
        ("ctrl", "CTRLLMHeadModel cannot be a decoder: it generates from token ids only"),
        ("llama", "LlamaModel cannot be a decoder: .*no logits_to_keep"),
    ],
)
def test_a_model_that_cannot_be_a_decoder_is_refused_by_name(kind: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"{message}.*must be a causal language model, such as Llama"):
        FrozenDecoder(unfit(kind), tiny_tokenizer())


@pytest.mark.parametrize("kind", ["t5", "bart", "bert"])
def test_a_folder_is_refused_before_its_weights_are_read(kind: str, tmp_path: Path) -> None:
    config = AutoConfig.for_model(kind, **({} if kind == "t5" else SMALL if kind == "bert" else SEQ2SEQ))
    config.save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match=f"{kind} cannot be a decoder: it "):
        load_decoder(tmp_path)
