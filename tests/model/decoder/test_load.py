"""The frozen decoder, over tiny random models of several families."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import pytest
import torch
from tokenizers.processors import TemplateProcessing
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from arc_encoder.core.errors import CheckpointError, ConfigError, DataError
from arc_encoder.model.decoder.load import FrozenDecoder, load_decoder
from tests.tiny_models import (
    DECODER_FAMILIES,
    VOCABULARY,
    WIDTH,
    WINDOW,
    numbers,
    random_contexts,
    tiny_decoder,
    tiny_language_model,
    tiny_tokenizer,
)

FAMILIES = list(DECODER_FAMILIES)


def greedy(decoder: FrozenDecoder, prompt: Tensor, new: int) -> list[int]:
    """Continuation of one unpadded prompt (n, E), computing everything again for each token."""
    made: list[int] = []
    for _ in range(new):
        logits = decoder.model(inputs_embeds=prompt[None], use_cache=False).logits
        made.append(int(logits[0, -1].argmax()))
        prompt = torch.cat([prompt, decoder.embed(torch.tensor([[made[-1]]]))[0]])
        if made[-1] == decoder.tokenizer.eos_token_id:
            break
    return made


@torch.no_grad()
@pytest.mark.parametrize("family", FAMILIES)
def test_logits_at_chosen_positions(family: str) -> None:
    decoder = tiny_decoder(family)
    ids, lengths = random_contexts([11, 4, 7])
    mask = torch.arange(11) < lengths[:, None]
    keep = mask & (torch.rand(mask.shape) < 0.4)
    keep[1] = False  # a sample without any
    logits = decoder.logits(decoder.embed(ids), mask, keep)
    assert logits.shape == (int(keep.sum()), VOCABULARY)
    expected = []
    for row, length, kept in zip(ids, lengths.tolist(), keep, strict=True):
        alone = decoder.model(input_ids=row[None, :length], use_cache=False).logits[0]
        expected.append(alone[kept[:length]])
    torch.testing.assert_close(logits, torch.cat(expected), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_generating_left_padded_in_a_batch_is_generating_alone(family: str) -> None:
    decoder = tiny_decoder(family, seed=3)
    lengths = [9, 3, 14, 1]
    prompts = [decoder.embed(torch.tensor([numbers(n, seed=n)]))[0] for n in lengths]
    merged, mask = torch.randn(4, 14, WIDTH), torch.zeros(4, 14, dtype=torch.bool)
    for row, prompt in enumerate(prompts):
        merged[row, 14 - len(prompt) :] = prompt
        mask[row, 14 - len(prompt) :] = True
    ids = decoder.generate(merged, mask, max_new_tokens=8)
    assert ids.shape[0] == 4
    assert ids.shape[1] <= 8
    alone = [greedy(decoder, prompt, 8) for prompt in prompts]
    assert len({tuple(each) for each in alone}) > 1, "the prompts should differ in what follows"
    for row, expected in zip(ids.tolist(), alone, strict=True):
        assert row[: len(expected)] == expected


def test_generation_ends_at_eos_and_pads() -> None:
    decoder = tiny_decoder(seed=3)
    prompts = torch.tensor([numbers(6, seed=4), numbers(6, seed=7)])
    mask = torch.ones(2, 6, dtype=torch.bool)
    free = decoder.generate(decoder.embed(prompts), mask, max_new_tokens=8)
    stop = int(free[0, 2])  # what the first sample says third becomes the end
    assert stop not in free[0, :2].tolist()
    decoder.tokenizer.eos_token = decoder.tokenizer.convert_ids_to_tokens(stop)
    ids = decoder.generate(decoder.embed(prompts[:1]), mask[:1], max_new_tokens=8)
    assert ids.tolist() == [free[0, :3].tolist()]
    both = decoder.generate(decoder.embed(prompts), mask, max_new_tokens=8)
    assert both[0, :3].tolist() == free[0, :3].tolist()
    assert set(both[0, 3:].tolist()) <= {decoder.tokenizer.pad_token_id}


def test_generation_without_a_padding_token() -> None:
    model = tiny_language_model(seed=3)
    decoder = FrozenDecoder(model, tiny_tokenizer(pad=False))
    prompt = decoder.embed(torch.tensor([numbers(6, seed=4)]))
    assert decoder.generate(prompt, torch.ones(1, 6, dtype=torch.bool), max_new_tokens=4)[0].tolist() == greedy(
        decoder, prompt[0], 4
    )


def test_generation_settings_of_the_folder_do_not_apply() -> None:
    model = tiny_language_model(seed=3)
    prompt = torch.tensor([numbers(6, seed=4)])
    mask = torch.ones(1, 6, dtype=torch.bool)
    plain = FrozenDecoder(copy.deepcopy(model), tiny_tokenizer())
    expected = plain.generate(plain.embed(prompt), mask, max_new_tokens=8)
    model.generation_config.repetition_penalty = 5.0
    model.generation_config.suppress_tokens = expected[0, :2].tolist()
    model.generation_config.do_sample = True
    model.generation_config.temperature = 3.0
    decoder = FrozenDecoder(model, tiny_tokenizer())
    assert torch.equal(decoder.generate(decoder.embed(prompt), mask, max_new_tokens=8), expected)


def test_gradient_to_the_embeddings_is_exact() -> None:
    model = tiny_language_model("gpt2").double()  # it computes in float64 throughout
    decoder = FrozenDecoder(model, tiny_tokenizer())
    mask = torch.tensor([[True, True, True, True], [True, True, False, False]])
    keep = torch.tensor([[False, True, False, True], [True, False, False, False]])
    targets = torch.tensor([7, 100, 31])

    def loss(embeddings: Tensor) -> Tensor:
        return nn.functional.cross_entropy(decoder.logits(embeddings, mask, keep), targets)

    embeddings = torch.randn(2, 4, WIDTH, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(loss, (embeddings,), eps=1e-6, atol=1e-8, rtol=1e-5)
    gradient = torch.autograd.grad(loss(embeddings), embeddings)[0]
    assert gradient[0].abs().amax(-1).min() > 0
    assert gradient[1, 0].any()
    assert not gradient[1, 1:].any()  # after the last kept position, and padding


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_no_weight_moves_and_no_gradient_is_kept(family: str) -> None:
    decoder = tiny_decoder(family).train()  # GPT-2 has dropout: it must stay off
    before = decoder.fingerprint()
    ids, _ = random_contexts([6])
    embeddings = decoder.embed(ids).requires_grad_()
    mask = torch.ones(1, 6, dtype=torch.bool)
    logits = decoder.logits(embeddings, mask, mask)
    assert torch.equal(logits, decoder.logits(embeddings, mask, mask))
    logits.square().sum().backward()
    assert embeddings.grad.any()
    assert not any(parameter.requires_grad or parameter.grad is not None for parameter in decoder.parameters())
    assert not any(module.training for module in decoder.modules())
    assert decoder.fingerprint() == before


def test_parent_in_training_leaves_it_in_evaluation() -> None:
    parent = nn.ModuleList([tiny_decoder("gpt2")]).train()
    assert parent.training
    assert not any(module.training for module in parent[0].modules())


def test_fingerprint_sees_one_weight() -> None:
    decoder = tiny_decoder()
    prints = {decoder.fingerprint()}
    assert decoder.fingerprint() in prints
    assert FrozenDecoder(copy.deepcopy(decoder.model), tiny_tokenizer()).fingerprint() in prints
    with torch.no_grad():
        for parameter in (decoder.model.lm_head.weight, decoder.model.model.layers[1].input_layernorm.weight):
            parameter.view(-1)[5].add_(1e-3)
            prints.add(decoder.fingerprint())
    decoder.model.model.rotary_emb.inv_freq[1] += 1e-3  # buffers count too
    prints.add(decoder.fingerprint())
    assert len(prints) == 4
    half = FrozenDecoder(decoder.model.to(torch.bfloat16), tiny_tokenizer())
    assert half.fingerprint() not in prints


class Parent(nn.Module):
    def __init__(self, decoder: FrozenDecoder) -> None:
        super().__init__()
        self.trained = nn.Linear(2, 2)
        self.decoders = nn.ModuleDict({"a": decoder, "b": tiny_decoder("gpt2")})


def test_weights_are_left_out_of_state_dicts() -> None:
    decoder = tiny_decoder()
    assert decoder.state_dict() == {}
    parent = Parent(decoder)
    state = parent.state_dict()
    assert set(state) == {"trained.weight", "trained.bias"}
    before = decoder.fingerprint()
    other = Parent(decoder)
    other.load_state_dict(state, strict=True)
    assert torch.equal(other.trained.weight, parent.trained.weight)
    assert decoder.fingerprint() == before


def test_strict_loading_still_misses_what_is_missing() -> None:
    parent = Parent(tiny_decoder())
    state = parent.state_dict()
    del state["trained.bias"]
    with pytest.raises(RuntimeError, match=r"trained\.bias") as caught:
        parent.load_state_dict(state, strict=True)
    assert "decoders" not in str(caught.value)
    with pytest.raises(RuntimeError, match="surprise"):
        parent.load_state_dict({**parent.state_dict(), "surprise": torch.zeros(1)}, strict=True)


@pytest.mark.parametrize("family", FAMILIES)
def test_plain_text_is_what_the_plain_model_gives(family: str) -> None:
    model = tiny_language_model(family)
    ids, _ = random_contexts([9, 9])
    mask = torch.ones(2, 9, dtype=torch.bool)
    plain = model(input_ids=ids, attention_mask=mask.long(), use_cache=False).logits
    decoder = FrozenDecoder(model, tiny_tokenizer())
    assert torch.equal(decoder.logits(decoder.embed(ids), mask, mask), plain.flatten(0, 1))
    embeddings = torch.randn(2, 9, WIDTH, requires_grad=True)
    decoder.logits(embeddings, mask, mask).sum().backward()
    decoder.generate(torch.randn(2, 9, WIDTH), mask, max_new_tokens=3)
    assert torch.equal(model(input_ids=ids, attention_mask=mask.long(), use_cache=False).logits, plain)


def test_widths_and_ids() -> None:
    decoder = tiny_decoder("gpt2")
    bos = ("<s>", decoder.tokenizer.bos_token_id)
    decoder.tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[bos])
    assert decoder.tokenizer("a")["input_ids"][0] == decoder.tokenizer.bos_token_id
    assert (decoder.width, decoder.window) == (WIDTH, WINDOW)
    assert decoder.prefix_ids == [decoder.tokenizer.bos_token_id]
    assert decoder.tokenizer.decode(decoder.token_ids("né <x>")) == "né <x>"
    assert decoder.tokenizer.bos_token_id not in decoder.token_ids("a")
    assert FrozenDecoder(tiny_language_model(), tiny_tokenizer(bos=False), bos=False).prefix_ids == []


def test_embedding_goes_through_the_module() -> None:
    decoder = tiny_decoder("gemma3")  # scales its embeddings inside the module
    ids = torch.tensor([[5, 6]])
    assert torch.allclose(decoder.embed(ids), decoder.model.get_input_embeddings().weight[ids] * WIDTH**0.5)


def test_a_smaller_window_may_be_set(tmp_path: Path) -> None:
    decoder = FrozenDecoder(tiny_language_model(), tiny_tokenizer(), window=10)
    assert decoder.window == 10
    with pytest.raises(DataError, match="11 positions does not fit the decoder's window of 10"):
        decoder.check_length(11)
    with pytest.raises(ConfigError, match="window=1 must be at least 2"):
        load_decoder(tmp_path, window=1)


def test_longer_than_the_window() -> None:
    decoder = tiny_decoder()
    long = torch.zeros(1, WINDOW + 1, WIDTH)
    mask = torch.ones(1, WINDOW + 1, dtype=torch.bool)
    with pytest.raises(DataError, match=f"{WINDOW + 1} positions.*window of {WINDOW}"):
        decoder.logits(long, mask, mask)
    with pytest.raises(DataError, match=f"{WINDOW + 2} positions.*window of {WINDOW}"):
        decoder.generate(long[:, :10], mask[:, :10], max_new_tokens=WINDOW - 8)


@pytest.mark.parametrize(
    ("tokenizer", "message"),
    [
        (tiny_tokenizer(bos=False), r"no BOS token.*without `bos`"),
        (tiny_tokenizer(eos=False), "no EOS token"),
        (tiny_tokenizer(extra=100), f"has 359 tokens, but the model only {VOCABULARY}"),
    ],
    ids=["no-bos", "no-eos", "too-large"],
)
def test_tokenizer_that_does_not_fit(tokenizer: PreTrainedTokenizerBase, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FrozenDecoder(tiny_language_model(), tokenizer)


def saved(folder: Path, family: str = "gemma3") -> Path:
    tiny_language_model(family).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_load_decoder(dtype: str, tmp_path: Path) -> None:
    decoder = load_decoder(saved(tmp_path), dtype=dtype, options={"attn_implementation": "eager"})
    assert {p.dtype for p in decoder.parameters()} == {getattr(torch, dtype)}
    assert decoder.model.config._attn_implementation == "eager"
    if dtype == "float32":
        assert decoder.fingerprint() == tiny_decoder("gemma3").fingerprint()
    assert decoder.token_ids("ab") == tiny_tokenizer()("ab")["input_ids"]


def test_load_decoder_errors(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"dtype 'float8'.*choose one of float32, bfloat16, float16, auto"):
        load_decoder(saved(tmp_path), dtype="float8")
    with pytest.raises(CheckpointError, match=re.escape(str(tmp_path / "nowhere"))):
        load_decoder(tmp_path / "nowhere")
    file = tmp_path / "model.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(CheckpointError, match=re.escape(str(tmp_path))):
        load_decoder(tmp_path)
    file.unlink()
    with pytest.raises(CheckpointError, match=re.escape(str(tmp_path))):
        load_decoder(tmp_path)
