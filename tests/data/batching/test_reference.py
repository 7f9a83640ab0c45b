"""What a decoder would read without compression, and how it gets into a batch."""

from __future__ import annotations

import pytest

from arc_encoder.core.segments import Role, Sample, Segment
from arc_encoder.data.batching.collator import ArcCollator, DecoderText
from arc_encoder.data.batching.reference import as_text, reference_of, with_start, without_contexts
from tests.tiny_models import tiny_tokenizer

PARTS = (
    Segment("Document: ", Role.PLAIN),
    Segment("a ship", Role.CONTEXT),
    Segment("\nQ:", Role.PLAIN),
    Segment(" sails", Role.TARGET),
)
SAMPLE = Sample("one", PARTS)


def texts(sample: Sample) -> list[tuple[str, Role]]:
    return [(segment.text, segment.role) for segment in sample.segments]


def test_contexts_become_text_or_are_left_out() -> None:
    assert texts(as_text(SAMPLE)) == [("Document: a ship\nQ:", Role.PLAIN), (" sails", Role.TARGET)]
    assert texts(without_contexts(SAMPLE)) == [("Document: \nQ:", Role.PLAIN), (" sails", Role.TARGET)]
    assert reference_of(SAMPLE) == as_text(SAMPLE)
    unread = Sample("two", PARTS, read_as_text=False)
    assert reference_of(unread) == without_contexts(unread)


def test_a_target_at_the_start_gets_something_before_it() -> None:
    bare = Sample("three", (Segment("x", Role.TARGET),))
    options = {"chat": False, "end_of_text": "</s>"}
    assert with_start(bare, bos=True, **options) == bare
    assert texts(with_start(bare, bos=False, **options)) == [("</s>", Role.PLAIN), ("x", Role.TARGET)]


@pytest.mark.parametrize("bos", [True, False])
def test_a_batch_carries_its_reference_with_the_same_targets(bos: bool) -> None:
    decoder = DecoderText(tiny_tokenizer(), bos=bos)
    copied = Sample("four", (Segment("a text", Role.CONTEXT), Segment("a text", Role.TARGET)), end_of_text=True)
    plain = ArcCollator(tiny_tokenizer(), {"d": decoder})([SAMPLE, copied], decoder="d", task="t")
    assert plain.reference is None
    batch = ArcCollator(tiny_tokenizer(), {"d": decoder}, with_reference=True)([SAMPLE, copied], decoder="d", task="t")
    reference = batch.reference
    assert reference is not None
    assert reference.reference is None
    assert len(reference.context_lengths) == 0
    assert reference.text_ids[reference.target_mask].tolist() == batch.text_ids[batch.target_mask].tolist()
    read = tiny_tokenizer().decode(reference.text_ids[0, : reference.text_lengths[0]], skip_special_tokens=True)
    assert read == "Document: a ship\nQ: sails"
    moved = batch.to("cpu")
    assert moved.reference is not None
    assert moved.reference.text_ids.equal(reference.text_ids)
