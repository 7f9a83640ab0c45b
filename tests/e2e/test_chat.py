"""Chat decoders from the folder to the answer: loading, training, `Compressor`, evaluation, text samples."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch

from arc_encoder.core.errors import ConfigError
from arc_encoder.core.segments import Role, Sample, Segment
from arc_encoder.data.batching import collator
from arc_encoder.data.batching.collator import ArcCollator, texts_of
from arc_encoder.data.records import Document, Question
from arc_encoder.data.tasks import Continuation, FewShot, Reconstruction
from arc_encoder.evaluation.benchmarks import ContinuationLoss, QuestionAnswering
from arc_encoder.evaluation.session.session import Session
from arc_encoder.evaluation.systems import Arc, ClosedBook, OpenBook, System, Truncate
from arc_encoder.inference import Compressor, Context
from arc_encoder.model.arc_model import ArcForCausalLM
from arc_encoder.model.decoder.load import FrozenDecoder, load_decoder
from arc_encoder.training.callbacks.samples.text_samples import prompt_of
from tests.tiny_chat import CHATML, LLAMA_2, chat_decoder, chat_tokenizer
from tests.tiny_models import WIDTH, tiny_compressor, tiny_language_model, tiny_tokenizer

DOCUMENT = "Mira keeps a goat. </s>[INST] Koto keeps an owl."
QUESTIONS = [Question(f"q{i}", f"Who is {i}?", (f"Thing {i}",), (f"{i} is thing {i}.",), "things") for i in range(6)]


def arc_of(decoder: FrozenDecoder) -> ArcForCausalLM:
    """A random ARC-Encoder without task tokens, as the method has it for instruct decoders."""
    return ArcForCausalLM(tiny_compressor(widths={"decoder": WIDTH}, task_tokens=False), {"decoder": decoder}).eval()


def collator_of(arc: ArcForCausalLM) -> ArcCollator:
    return ArcCollator(tiny_tokenizer(), texts_of(arc.frozen_decoders()))


def test_a_chat_decoder_is_loaded_from_a_folder(tmp_path: Path) -> None:
    tiny_language_model().save_pretrained(tmp_path)
    chat_tokenizer(CHATML).save_pretrained(tmp_path)
    assert not load_decoder(tmp_path).chat
    decoder = load_decoder(tmp_path, chat=True)
    assert decoder.chat
    assert decoder.tokenizer.chat_template == CHATML
    tiny_tokenizer().save_pretrained(tmp_path)
    (tmp_path / "chat_template.jinja").unlink()
    with pytest.raises(ConfigError, match=r"no chat template, which chat needs.*switch chat off"):
        load_decoder(tmp_path, chat=True)


@pytest.mark.parametrize(
    ("template", "before", "after"),
    [
        (LLAMA_2, "<s>[INST] ", " [/INST]"),
        (
            CHATML,
            "<s><|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n",
            "<|im_end|>\n<|im_start|>assistant\n",
        ),
    ],
    ids=["llama_2", "chatml"],
)
def test_a_prompt_is_the_users_turn(template: str, before: str, after: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`generate` answers as if the template had been written by hand around the prompt, its special tokens as such."""
    chat = chat_decoder(template, seed=3)
    plain = FrozenDecoder(copy.deepcopy(chat.model), chat_tokenizer(template), bos=False)
    model = tiny_compressor(widths={"decoder": WIDTH}, task_tokens=False)
    answers = Compressor(model, tiny_tokenizer(), decoder=chat).generate(
        [["Who? ", Context(DOCUMENT), " Say."], "Hello"], max_new_tokens=12
    )
    monkeypatch.setattr(
        collator, "token_ids", lambda texts, tokenizer: tokenizer(list(texts), add_special_tokens=False)["input_ids"]
    )
    expected = Compressor(model, tiny_tokenizer(), decoder=plain).generate(
        [[f"{before}Who? ", Context(DOCUMENT), f" Say.{after}"], f"{before}Hello{after}"], max_new_tokens=12
    )
    assert answers == expected
    assert any(answers)


def test_an_answer_ends_at_the_end_of_turn() -> None:
    decoder = chat_decoder(CHATML, seed=3)
    arc = arc_of(decoder)
    batch = collator_of(arc)([Sample("s", (Segment("a", Role.PLAIN),))], decoder="decoder", task="t")
    end = decoder.tokenizer.convert_tokens_to_ids("<|im_end|>")
    head = decoder.model.lm_head
    calls: list[int] = []

    def say_the_end(_m: object, _i: object, logits: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        logits = logits.clone()
        logits[..., end] = logits.max() + 1 if len(calls) == 4 else logits.min() - 1
        return logits

    head.register_forward_hook(say_the_end)
    text = arc.generate(batch, max_new_tokens=20)[0]
    assert len(calls) == 4
    assert "im_end" not in text


@pytest.mark.parametrize("template", [LLAMA_2, CHATML], ids=["llama_2", "chatml"])
def test_training_learns_the_answer_and_its_end(template: str) -> None:
    """Every task, a few steps on one batch: the loss falls and the frozen decoder stays."""
    arc = arc_of(chat_decoder(template))
    collator = collator_of(arc)
    document = Document("d", DOCUMENT)
    tasks = [Reconstruction([document]), Continuation([document], part=16), FewShot(QUESTIONS, shots=2)]
    before = arc.decoder("decoder").fingerprint()
    optimizer = torch.optim.AdamW(arc.compressor.parameters(), lr=3e-3)
    batches = [
        collator([task.sample(i, 0, tiny_tokenizer()) for i in range(2)], decoder="decoder", task="t") for task in tasks
    ]
    end = collator.decoders["decoder"].tokenizer.convert_tokens_to_ids("</s>" if template == LLAMA_2 else "<|im_end|>")
    for batch in batches:
        for ids, wanted, length in zip(batch.text_ids, batch.target_mask, batch.text_lengths.tolist(), strict=True):
            assert (int(ids[length - 1]), bool(wanted[length - 1])) == (end, True)
    losses = []
    for _ in range(8):
        total = torch.stack([arc(batch).loss for batch in batches]).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        losses.append(float(total.detach()))
    assert losses[-1] < 0.98 * losses[0]
    assert arc.decoder("decoder").fingerprint() == before


@pytest.mark.parametrize("system", [Arc(), OpenBook(), ClosedBook(), Truncate()], ids=lambda s: type(s).__name__)
def test_every_system_is_evaluated_through_the_template(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    arc = arc_of(chat_decoder(LLAMA_2))
    session = Session(arc, collator_of(arc), "decoder", batch_size=2, progress=False)
    batches = []
    merge = ArcForCausalLM.merge
    monkeypatch.setattr(
        ArcForCausalLM, "merge", lambda self, batch, **o: batches.append(batch) or merge(self, batch, **o)
    )
    results = QuestionAnswering("things", QUESTIONS, shots=2, limit=3, max_new_tokens=4).run(system, session)
    assert len(results) == 3
    assert batches
    tokenizer = session.decoder.tokenizer
    for batch in batches:
        for ids, length in zip(batch.text_ids, batch.text_lengths.tolist(), strict=True):
            text = tokenizer.decode(ids[:length])
            assert text.startswith("<s>[INST] Question:" if isinstance(system, ClosedBook) else "<s>[INST] Document:")
            assert text.endswith("Answer: [/INST]")
            assert text.count("<s>") == text.count("[INST]") == 1


def test_the_continuation_loss_keeps_the_instruction() -> None:
    arc = arc_of(chat_decoder(LLAMA_2))
    session = Session(arc, collator_of(arc), "decoder", progress=False)
    task = Continuation([Document("d", DOCUMENT)], part=8)
    sample = task.sample(0, 0, tiny_tokenizer())
    for system in (Arc(), OpenBook(), ClosedBook()):
        assert system.continuation(sample, {}, tiny_tokenizer()).sample.instruction == task.instruction
        result = ContinuationLoss(task, limit=1).run(system, session)[0]
        assert result.weights["loss"] == len(sample.segments[-1].text) + 2  # " " and the end of turn


def test_a_text_sample_begins_as_the_assistant_does() -> None:
    arc = arc_of(chat_decoder(LLAMA_2))
    sample = Reconstruction([Document("d", "abc")]).sample(0, 0, tiny_tokenizer())
    batch = collator_of(arc)([prompt_of(sample)], decoder="decoder", task="t")
    text = arc.decoder("decoder").tokenizer.decode(batch.text_ids[0])
    assert text == "<s>[INST] Text:\n\n\n Replicate the input text. [/INST] Replicated text:\n"
    assert not batch.target_mask.any()
