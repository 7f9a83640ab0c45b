"""What a decoder would read of a sample without compression: the text that it is compared with and distilled from."""

from __future__ import annotations

from dataclasses import replace

from arc_encoder.core.segments import Role, Sample, Segment
from arc_encoder.data.prompts import merge_plain


def as_text(sample: Sample) -> Sample:
    """The sample with its contexts as text, as open-book reads it."""
    segments = [
        replace(segment, role=Role.PLAIN) if segment.role is Role.CONTEXT else segment for segment in sample.segments
    ]
    return replace(sample, segments=tuple(merge_plain(segments)))


def without_contexts(sample: Sample) -> Sample:
    """The sample with its contexts left out, as closed-book reads it."""
    segments = [segment for segment in sample.segments if segment.role is not Role.CONTEXT]
    return replace(sample, segments=tuple(merge_plain(segments)))


def reference_of(sample: Sample) -> Sample:
    """What is distilled from: contexts as text, or left out where the sample says so."""
    return as_text(sample) if sample.read_as_text else without_contexts(sample)


def with_start(sample: Sample, *, bos: bool, chat: bool, end_of_text: str) -> Sample:
    """The sample with something before its first target, so that it can be predicted.

    Where the decoder has no BOS and no chat template, and nothing else comes first, that is its end-of-text token,
    which separates texts.
    """
    if bos or chat or sample.segments[0].role is not Role.TARGET:
        return sample
    return replace(sample, segments=(Segment(end_of_text, Role.PLAIN, special=True), *sample.segments))
