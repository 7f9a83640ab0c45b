"""Tokenizers of the toy models: byte-level BPE trained on toy documents."""

from __future__ import annotations

from collections.abc import Iterator

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from arc_encoder.data.synthetic.toy_world import ToyWorld

BOS, EOS, PAD = "<s>", "</s>", "<pad>"


def corpus(world: ToyWorld, documents: int) -> Iterator[str]:
    """Text on which a tokenizer is trained: documents, retellings, questions, translations."""
    for index in range(documents):
        document = world[index]
        asked = "\n\n".join(f"Question: {q.question}\nAnswer: {q.answer}" for q in document.questions)
        yield f"Document: {document.text} {document.retelling}\n{asked}\n{document.summary}"
        if index % 8 == 0:
            yield "\n".join(world.translation(index))


def train_tokenizer(
    world: ToyWorld, *, vocab_size: int, documents: int = 20_000, letters: int = 0
) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer with BOS, EOS and PAD; adds BOS, never EOS.

    Args:
        world: source of the text.
        vocab_size: number of tokens, at least 300.
        documents: how many documents it is trained on.
        letters: if positive, no token spans more than this many characters, so that
            most names need several tokens.
    """
    tokenizer = Tokenizer(models.BPE())
    splits: list[pre_tokenizers.PreTokenizer] = [pre_tokenizers.ByteLevel(add_prefix_space=False)]
    if letters:
        splits.insert(0, pre_tokenizers.Split(Regex(f" ?[^\\s]{{1,{letters}}}"), behavior="isolated"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(splits)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[PAD, BOS, EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus(world, documents), trainer)
    from tokenizers.processors import TemplateProcessing

    bos = tokenizer.token_to_id(BOS)
    tokenizer.post_processor = TemplateProcessing(single=f"{BOS} $A", special_tokens=[(BOS, bos)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=BOS, eos_token=EOS, pad_token=PAD)
