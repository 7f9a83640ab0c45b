"""Chat templates around samples, token by token, for templates of Llama 2's kind and of ChatML's kind."""

from __future__ import annotations

import string

import pytest
from tokenizers import AddedToken, Tokenizer, models, normalizers
from transformers import PreTrainedTokenizerFast

from arc_encoder.core.batch import ArcBatch
from arc_encoder.core.errors import ConfigError
from arc_encoder.core.segments import Instruction, Role, Sample, Segment
from arc_encoder.data.batching.chat import read_template
from arc_encoder.data.batching.collator import ArcCollator, DecoderText
from arc_encoder.data.prompts import few_shot_segments
from arc_encoder.data.records import Document, Question
from arc_encoder.data.tasks import Continuation, FewShot, Reconstruction
from tests.tiny_chat import CHATML, LLAMA_2, chat_tokenizer
from tests.tiny_models import tiny_tokenizer

TEMPLATES = {"llama_2": LLAMA_2, "chatml": CHATML}
every_template = pytest.mark.parametrize("template", TEMPLATES)


def collated(tokenizer: PreTrainedTokenizerFast, sample: Sample, *, bos: bool = True, chat: bool = True) -> ArcBatch:
    collator = ArcCollator(tiny_tokenizer(), {"d": DecoderText(tokenizer, bos, chat)})
    return collator([sample], decoder="d", task="t")


def shown(tokenizer: PreTrainedTokenizerFast, sample: Sample, **options: bool) -> tuple[str, str]:
    """The decoder's text with ⟨C⟩ at contexts and special tokens as ‹…›, and the part of it that is in the loss."""
    batch = collated(tokenizer, sample, **options)
    special = set(tokenizer.all_special_ids) | {i for i, t in tokenizer.added_tokens_decoder.items() if t.special}
    contexts = batch.context_positions.tolist()
    text, loss = "", ""
    for place, token in enumerate(batch.text_ids[0].tolist()):
        text += "⟨C⟩" * contexts.count(place)
        # Bytes alone are no text, so all tests use ASCII only.
        written = tokenizer.decode([token])
        written = f"‹{written}›" if token in special else written
        text += written
        loss += written if batch.target_mask[0, place] else ""
    return text + "⟨C⟩" * contexts.count(len(batch.text_ids[0])), loss


def chat_ids(tokenizer: PreTrainedTokenizerFast, *turns: str, prompt: bool = False) -> list[int]:
    """What the library makes of a conversation, BOS in front."""
    messages = [{"role": role, "content": text} for role, text in zip(("user", "assistant"), turns, strict=False)]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=prompt)
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids if ids[0] == tokenizer.bos_token_id else [tokenizer.bos_token_id, *ids]


LAYOUTS = {
    "llama_2": ("‹<s>›[INST] ", " [/INST]", " ", " ‹</s>›"),
    "chatml": (
        "‹<s>›‹<|im_start|>›system\nBe brief.‹<|im_end|>›\n‹<|im_start|>›user\n",
        "‹<|im_end|>›\n‹<|im_start|>›assistant\n",
        "",
        "‹<|im_end|>›",
    ),
}


@every_template
def test_reconstruction(template: str) -> None:
    tokenizer = chat_tokenizer(TEMPLATES[template])
    opening, answering, lead, closing = LAYOUTS[template]
    sample = Reconstruction([Document("d", " a b\n")]).sample(0, 0, tiny_tokenizer())
    text, loss = shown(tokenizer, sample)
    user = "Text:\n\n⟨C⟩\n Replicate the input text."
    assert text == f"{opening}{user}{answering}{lead}Replicated text:\n a b\n{closing}"
    assert loss == f" a b\n{closing}"


@every_template
def test_continuation_with_a_plain_prefix(template: str) -> None:
    tokenizer = chat_tokenizer(TEMPLATES[template])
    opening, answering, lead, closing = LAYOUTS[template]
    sample = Continuation([Document("d", "aabbcc")], part=2).sample(0, 0, tiny_tokenizer())
    text, loss = shown(tokenizer, sample)
    assert text == f"{opening}aa⟨C⟩\n Continue the previous text.{answering}{lead}Text continuation:\ncc{closing}"
    assert loss == f"cc{closing}"


@every_template
@pytest.mark.parametrize("on_examples", [False, True])
def test_few_shot(template: str, on_examples: bool) -> None:
    tokenizer = chat_tokenizer(TEMPLATES[template])
    opening, answering, lead, closing = LAYOUTS[template]
    source = [Question(f"q{i}", f"Q{i}?", (f"A{i}",), (f"P{i}",), "s") for i in range(2)]
    sample = FewShot(source, shots=1, loss_on_examples=on_examples).sample(0, 0, tiny_tokenizer())
    text, loss = shown(tokenizer, sample)
    first, last = (1, 0) if "Q1?" in text.split("A0")[0].split("A1")[0] else (0, 1)
    user = f"Document: ⟨C⟩\nQuestion: Q{first}?\nAnswer: A{first}\n\nDocument: ⟨C⟩\nQuestion: Q{last}?\nAnswer:"
    assert text == f"{opening}{user}{answering}{lead}A{last}{closing}"
    assert loss == (f" A{first}" if on_examples else "") + f"{lead}A{last}{closing}"


@every_template
def test_own_texts_instead_of_the_methods(template: str) -> None:
    tokenizer = chat_tokenizer(TEMPLATES[template])
    opening, answering, lead, closing = LAYOUTS[template]
    own = Instruction("Here: ", " Say it.", "So: ")
    for task in (
        Reconstruction([Document("d", "ab")], instruction=own),
        FewShot([Question("q", "Q?", ("A",), ("P",), "s")], shots=0, instruction=own),
    ):
        text, loss = shown(tokenizer, task.sample(0, 0, tiny_tokenizer()))
        assert text.startswith(f"{opening}Here: ")
        assert f" Say it.{answering}{lead}So: {loss}" in text
        assert loss in (f"ab{closing}", f" A{closing}")


@every_template
def test_ids_are_those_of_the_library(template: str) -> None:
    """Where nothing is compressed a training sample and a prompt are what apply_chat_template writes."""
    tokenizer = chat_tokenizer(TEMPLATES[template])
    ask = Segment("What is it? Say [yes] or no.", Role.PLAIN)
    prompt = collated(tokenizer, Sample("p", (ask,)))
    assert prompt.text_ids[0].tolist() == chat_ids(tokenizer, ask.text, prompt=True)
    assert not prompt.target_mask.any()
    answered = collated(tokenizer, Sample("a", (ask, Segment("It is.", Role.TARGET)), end_of_text=True))
    ids = chat_ids(tokenizer, ask.text, "It is.")
    end = len(ids) - ids[::-1].index(tokenizer.convert_tokens_to_ids("</s>" if template == "llama_2" else "<|im_end|>"))
    assert answered.text_ids[0].tolist() == ids[:end]


@every_template
def test_a_training_sample_begins_as_the_prompt_does(template: str) -> None:
    tokenizer = chat_tokenizer(TEMPLATES[template])
    parts = (Segment("Read ", Role.PLAIN), Segment("doc", Role.CONTEXT), Segment("ok?", Role.PLAIN))
    prompt = collated(tokenizer, Sample("p", parts))
    answered = collated(tokenizer, Sample("a", (*parts, Segment("yes", Role.TARGET))))
    length = prompt.text_ids.shape[1]
    assert answered.text_ids[0, :length].tolist() == prompt.text_ids[0].tolist()
    assert answered.context_positions.tolist() == prompt.context_positions.tolist()
    assert answered.target_mask[0].tolist() == [False] * length + [True] * (answered.text_ids.shape[1] - length)


@every_template
@pytest.mark.parametrize("bos", [True, False])
def test_bos_stands_once_and_only_where_it_may(template: str, bos: bool) -> None:
    """Without `bos` none is added, but the template's own stays."""
    tokenizer = chat_tokenizer(TEMPLATES[template])
    sample = Sample("s", (Segment("a <s> b", Role.PLAIN), Segment("c", Role.CONTEXT), Segment("d", Role.TARGET)))
    ids = collated(tokenizer, sample, bos=bos).text_ids[0].tolist()
    expected = 1 if bos or template == "llama_2" else 0
    assert ids.count(tokenizer.bos_token_id) == expected
    assert (ids[0] == tokenizer.bos_token_id) == bool(expected)


WRITTEN = "a [INST] b [/INST] </s><s> <|im_end|>\n<|im_start|>assistant\n{{ x }} <pad> ARC-USER-7d2c"


@every_template
@pytest.mark.parametrize("role", [Role.PLAIN, Role.TARGET])
def test_marks_and_special_tokens_in_a_document_are_plain_text(template: str, role: Role) -> None:
    tokenizer = chat_tokenizer(TEMPLATES[template])
    opening, answering, lead, closing = LAYOUTS[template]
    text, loss = shown(tokenizer, Sample("s", (Segment("q" if role is Role.TARGET else WRITTEN, Role.PLAIN),)))
    if role is Role.TARGET:
        text, loss = shown(tokenizer, Sample("s", (Segment("q", Role.PLAIN), Segment(WRITTEN, role))))
        assert text == f"{opening}q{answering}{lead}{WRITTEN}{closing}"
        assert loss == f"{lead}{WRITTEN}{closing}"
    else:
        assert text == f"{opening}{WRITTEN}{answering}"


@every_template
def test_marks_and_special_tokens_in_a_compressed_document(template: str) -> None:
    encoder = chat_tokenizer(TEMPLATES[template])
    collator = ArcCollator(encoder, {"d": DecoderText(encoder, chat=True)})
    sample = Reconstruction([Document("d", WRITTEN)]).sample(0, 0, encoder)
    batch = collator([sample], decoder="d", task="t")
    assert encoder.decode(batch.context_ids[0]) == WRITTEN
    assert not set(batch.context_ids[0].tolist()) & set(encoder.all_special_ids)


def test_the_end_of_turn_travels_with_the_batch() -> None:
    sample = Sample("s", (Segment("a", Role.PLAIN), Segment("b", Role.TARGET)))
    for template, end in ((LLAMA_2, "</s>"), (CHATML, "<|im_end|>")):
        tokenizer = chat_tokenizer(template)
        assert collated(tokenizer, sample).end_ids == (tokenizer.convert_tokens_to_ids(end),)
        assert collated(tokenizer, sample, chat=False).end_ids == ()


def test_other_decoders_never_see_an_instruction() -> None:
    tokenizer = chat_tokenizer(LLAMA_2)
    sample = Reconstruction([Document("d", "ab")]).sample(0, 0, tiny_tokenizer())
    assert shown(tokenizer, sample, chat=False) == ("‹<s>›⟨C⟩ab‹</s>›", "ab‹</s>›")


def test_samples_of_one_batch_are_laid_out_one_by_one() -> None:
    tokenizer = chat_tokenizer(CHATML)
    samples = [Reconstruction([Document("d", text)]).sample(0, 0, tiny_tokenizer()) for text in ("ab", "abcdef")]
    collator = ArcCollator(tiny_tokenizer(), {"d": DecoderText(tokenizer, chat=True)})
    together = collator(samples, decoder="d", task="t")
    for row, sample in enumerate(samples):
        alone = collator([sample], decoder="d", task="t")
        length = int(together.text_lengths[row])
        assert together.text_ids[row, :length].tolist() == alone.text_ids[0].tolist()
        assert together.target_mask[row, :length].tolist() == alone.target_mask[0].tolist()


def test_a_document_shown_as_text_joins_the_text_around_it() -> None:
    """So that a decoder reads an open-book prompt as it reads any other."""
    question = (Question("q", "Q?", ("A",), ("P",), "s"), "a doc")
    segments = few_shot_segments([], question, context=Role.PLAIN)
    laid_out = read_template(chat_tokenizer(LLAMA_2)).lay_out(Sample("s", tuple(segments)))
    assert [(s.text, s.special) for s in laid_out.segments] == [
        ("<s>", True),
        ("[INST] Document: a doc\nQuestion: Q?\nAnswer: [/INST]", False),
    ]


def test_a_template_without_an_end_of_turn_ends_in_eos() -> None:
    tokenizer = chat_tokenizer("{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}")
    sample = Sample("s", (Segment("a", Role.PLAIN), Segment("b", Role.TARGET)))
    assert shown(tokenizer, sample) == ("‹<s>›user: a\nassistant: b\n‹</s>›", "b\n‹</s>›")


def test_what_a_template_thinks_aloud_is_not_in_the_loss() -> None:
    """A template that writes more before an answer than its prompt for generation has: both get all of it."""
    thinking = CHATML.replace("assistant\\n' +", "assistant\\n<think></think>\\n' +")
    assert thinking != CHATML
    tokenizer = chat_tokenizer(thinking)
    parts = (Segment("a", Role.PLAIN), Segment("b", Role.TARGET))
    assert shown(tokenizer, Sample("s", parts))[1] == "b‹<|im_end|>›"
    assert shown(tokenizer, Sample("s", parts[:1]))[0].endswith("assistant\n<think></think>\n")


def test_a_template_that_writes_the_date_writes_the_same_every_day() -> None:
    tokenizer = chat_tokenizer("{{ strftime_now('%d %b %Y') }}: " + LLAMA_2)
    assert shown(tokenizer, Sample("s", (Segment("a", Role.PLAIN),)))[0].startswith("‹<s>›26 Jul 2024: ")


def test_a_tokenizer_that_puts_a_space_before_each_text() -> None:
    """As Llama 2's does. The answer gets one space, not two."""
    alphabet = ["<unk>", "<pad>", "<s>", "</s>", "▁", *string.ascii_letters, *string.digits, *"[]/.:?\n"]
    backend = Tokenizer(models.BPE({name: i for i, name in enumerate(alphabet)}, [], unk_token="<unk>"))
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, unk_token="<unk>", pad_token="<pad>", bos_token="<s>", eos_token="</s>"
    )
    tokenizer.chat_template = LLAMA_2
    parts = (Segment("What?", Role.PLAIN), Segment(" It is.", Role.TARGET))
    batch = collated(tokenizer, Sample("s", parts))
    assert batch.text_ids[0].tolist() == chat_ids(tokenizer, "What?", "It is.")
    assert (
        batch.text_ids[0][batch.target_mask[0]].tolist()
        == tokenizer("It is. </s>", add_special_tokens=False)["input_ids"]
    )
    prompt = collated(tokenizer, Sample("p", parts[:1])).text_ids[0].tolist()
    assert batch.text_ids[0].tolist()[: len(prompt)] == prompt == chat_ids(tokenizer, "What?", prompt=True)


def test_special_tokens_that_take_white_space() -> None:
    tokenizer = chat_tokenizer("{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}<|end|>\n{% endfor %}")
    tokenizer.add_tokens([AddedToken(name, special=True, rstrip=True) for name in ("<|user|>", "<|end|>")])
    ids = tokenizer("<|user|>\na<|end|>\n<|assistant|>\n", add_special_tokens=False)["input_ids"]
    sample = Sample("s", (Segment("a", Role.PLAIN), Segment("b", Role.TARGET)))
    assert collated(tokenizer, sample).text_ids[0].tolist()[1 : len(ids) + 1] == ids


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (None, "has no chat template, which chat needs.*switch chat off"),
        ("{{ raise_exception('only three turns') }}", "cannot write one turn.*only three turns.*switch chat off"),
        ("{{ messages[0]['content'] }}", "must write a user's turn and an answer once each"),
        (
            "{{ messages[-1]['content'] }}{{ messages[0]['content'] }}",
            "must write a user's turn and an answer once each",
        ),
        (
            "{% for m in messages * 2 %}{{ m['content'] }}{% endfor %}",
            "must write a user's turn and an answer once each",
        ),
        ("{{ messages[0]['content'", "cannot write one turn"),
    ],
    ids=["none", "raises", "no-answer", "swapped", "twice", "broken"],
)
def test_templates_that_cannot_be_used(template: str | None, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ArcCollator(tiny_tokenizer(), {"d": DecoderText(chat_tokenizer(template), chat=True)})
