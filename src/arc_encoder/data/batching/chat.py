"""Chat templates: a sample becomes one turn of a user and one of the assistant (Pilchen et al., 2025, §4.3).

    <s>[INST] {prefix}{contexts and text}{request} [/INST] {suffix}{target} </s>

The tokenizer's own template surrounds the segments. It is rendered once with two marks and
cut at them. Its special tokens become ids one by one; the rest of it joins the text next
to it. So a document that holds "[INST]" or "</s>" changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from transformers import PreTrainedTokenizerBase

from arc_encoder.core.errors import ConfigError
from arc_encoder.core.segments import Role, Sample, Segment

# A template that writes the current date gets always this one, so that a sample is the same every day.
DATE = {"%d": "26", "%m": "07", "%b": "Jul", "%B": "July", "%Y": "2024", "%y": "24", "%H": "12", "%M": "00", "%S": "00"}
CLOCK = "strftime_now"  # what templates call

# Stand for the two turns while the template is rendered. Templates trim what they are given.
USER, ANSWER = "ARC-USER-7d2c", "ARC-ANSWER-7d2c"


@dataclass(frozen=True)
class ChatTemplate:
    """What a template writes around the user's turn and the answer.

    Attributes:
        opening: before the user's text: BOS, system prompt, marks.
        answering: between the user's text and the answer, as in a prompt for generation.
        lead: white space between that and the answer.
        spaced: the tokenizer itself puts a space before each text.
        closing: what follows the answer, up to and with the first special token (EOS if there is none).
    """

    opening: tuple[Segment, ...]
    answering: tuple[Segment, ...]
    lead: str
    spaced: bool
    closing: tuple[Segment, ...]

    @property
    def end_of_turn(self) -> str:
        """The special token that ends an answer."""
        return self.closing[-1].text

    def lay_out(self, sample: Sample) -> Sample:
        """The sample with the template around its segments.

        The last segment is the assistant's answer if it is a target. A sample without one is a
        prompt, and ends where the assistant begins. A target inside the user's turn stays one.
        """
        instruction, segments = sample.instruction, list(sample.segments)
        answer = segments.pop().text if segments and segments[-1].role is Role.TARGET else None
        turn = [
            *self.opening,
            Segment(instruction.prefix, Role.PLAIN),
            *segments,
            Segment(instruction.request, Role.PLAIN),
            *self.answering,
        ]
        if instruction.suffix:
            turn.append(Segment(self.lead + instruction.suffix, Role.PLAIN))
        elif answer is not None:  # templates trim a turn, so the answer's own white space in front goes
            answer = (self.lead.removesuffix(" ") if self.spaced else self.lead) + answer.lstrip()
        if answer is not None:
            turn += [Segment(answer, Role.TARGET), *self.closing]
        return replace(sample, segments=tuple(_joined(turn)), end_of_text=False)


def read_template(tokenizer: PreTrainedTokenizerBase, *, bos: bool = True) -> ChatTemplate:
    """The chat template of a tokenizer.

    Raises:
        ConfigError: no template, one that fails, or one that does not write both turns as they are given.
    """
    user, answer = {"role": "user", "content": USER}, {"role": "assistant", "content": ANSWER}
    whole = rendered(tokenizer, [user, answer], add_generation_prompt=False)
    found = re.fullmatch(f"(.*){USER}(.*){ANSWER}(.*)", whole, re.DOTALL)
    if found is None or whole.count(USER) != 1 or whole.count(ANSWER) != 1:
        raise ConfigError(
            f"the chat template of {_name(tokenizer)!r} must write a user's turn and an answer once each and in this order, but it made {whole!r} of {USER!r} and {ANSWER!r}; switch chat off for this decoder"
        )
    before, between, after = found.groups()
    prompt = rendered(tokenizer, [user]).partition(USER)[2]
    lead = between.removeprefix(prompt) if between.startswith(prompt) else ""
    lead = lead if lead.isspace() else ""
    opening = template_pieces(before, tokenizer)
    if bos and not (opening and opening[0].special and opening[0].text == tokenizer.bos_token):
        opening.insert(0, Segment(str(tokenizer.bos_token), Role.PLAIN, special=True))
    closing = template_pieces(after, tokenizer, Role.TARGET)
    closing.append(Segment(str(tokenizer.eos_token), Role.TARGET, special=True))
    end = next(i for i, segment in enumerate(closing) if segment.special)
    return ChatTemplate(
        opening=tuple(opening),
        answering=tuple(template_pieces(between.removesuffix(lead), tokenizer)),
        lead=lead,
        spaced=tokenizer.tokenize("a")[0].startswith("▁"),
        closing=tuple(closing[: end + 1]),
    )


def _name(tokenizer: PreTrainedTokenizerBase) -> str:
    return getattr(tokenizer, "name_or_path", "") or type(tokenizer).__name__


def rendered(
    tokenizer: PreTrainedTokenizerBase, messages: list[dict[str, str]], *, add_generation_prompt: bool = True
) -> str:
    """A chat of several turns as the template writes it, up to where the assistant begins.

    Raises:
        ConfigError: no template, or one that refuses these messages.
    """
    if not tokenizer.chat_template:
        raise ConfigError(
            f"tokenizer of {_name(tokenizer)!r} has no chat template, which chat needs; choose an instruct model, or switch chat off for this decoder"
        )
    try:
        return str(
            tokenizer.apply_chat_template(
                messages,
                tokenize=False,
                add_generation_prompt=add_generation_prompt,
                chat_template=_without_clock(tokenizer.get_chat_template()),
            )
        )
    except Exception as error:  # a template is a program of somebody else: it may raise anything
        raise ConfigError(
            f"the chat template of {_name(tokenizer)!r} cannot write one turn of a user and one of the assistant "
            f"({type(error).__name__}: {error}); switch chat off for this decoder"
        ) from error


def _without_clock(template: str) -> str:
    if CLOCK not in template:
        return template
    fixed = "".join(f".replace('{sign}', '{value}')" for sign, value in DATE.items())
    return f"{{% macro {CLOCK}(format) %}}{{{{ format{fixed} }}}}{{% endmacro %}}{template}"


def template_pieces(text: str, tokenizer: PreTrainedTokenizerBase, role: Role = Role.PLAIN) -> list[Segment]:
    """A piece of what a template wrote, cut at the tokenizer's special tokens."""
    added = {token.content: token for token in tokenizer.added_tokens_decoder.values() if token.special}
    patterns = []
    for name in sorted({*added, *tokenizer.all_special_tokens}, key=len, reverse=True):
        token = added.get(name)  # some special tokens take the white space next to them
        left = r"\s*" if token is not None and token.lstrip else ""
        right = r"\s*" if token is not None and token.rstrip else ""
        patterns.append(f"{left}({re.escape(name)}){right}")
    pieces, end = [], 0
    for match in re.finditer("|".join(patterns), text):
        pieces += [Segment(text[end : match.start()], role), Segment(match[match.lastindex or 0], role, special=True)]
        end = match.end()
    pieces.append(Segment(text[end:], role))
    return [piece for piece in pieces if piece.text]


def _joined(segments: Iterable[Segment]) -> list[Segment]:
    """Neighbouring texts of one role in one piece, so that they are tokenized together; empty ones left out."""
    joined: list[Segment] = []
    for segment in segments:
        last = joined[-1] if joined else None
        if not segment.text and segment.role is not Role.CONTEXT:
            continue
        free = segment.role is not Role.CONTEXT and not segment.special
        if free and last is not None and last.role is segment.role and not last.special:
            joined[-1] = Segment(last.text + segment.text, segment.role)
        else:
            joined.append(segment)
    return joined
