"""A decoder that answers many prompts at once: new ones join the batch between two tokens, finished ones leave it.

Shape legend: B rows, P positions that were read before, S new positions, E decoder width, V vocabulary.
"""

from __future__ import annotations

import hashlib
import inspect
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from arc_encoder.core.lru import Lru
from arc_encoder.inference.encoding.contexts import CompressedContext
from arc_encoder.inference.generation.answering import Answering
from arc_encoder.inference.serving.engines.base import Delta, Finished, Job
from arc_encoder.inference.serving.engines.embedded.answer import Answer
from arc_encoder.inference.serving.engines.embedded.kv_rows import EMPTY, Row, Rows, check_cache
from arc_encoder.inference.serving.engines.logprobs import TokenBytes
from arc_encoder.inference.serving.prompts.prompt import Run, length_of
from arc_encoder.model.decoder.generation.prefix import counts_slots
from arc_encoder.model.decoder.output_layer.chosen_logits import forward_at

Key = tuple[tuple[int, ...] | str, ...]


def beginning(runs: Sequence[Run]) -> list[Run]:
    """The runs up to the last document, which others may share; nothing where no text follows or there is none."""
    last = max((place for place, run in enumerate(runs) if isinstance(run, CompressedContext)), default=-1)
    return list(runs[: last + 1]) if 0 <= last < len(runs) - 1 and length_of(runs[last + 1 :]) else []


def key_of(runs: Sequence[Run]) -> Key:
    """What tells one beginning from another: its ids, and the numbers of its vectors.

    Not what vectors say of themselves: a client may send any.
    """
    return tuple(_digest(run) if isinstance(run, CompressedContext) else tuple(run) for run in runs)


def _digest(context: CompressedContext) -> str:
    content = context.vectors.detach().cpu().contiguous().view(torch.uint8).numpy()
    about = f"{tuple(context.vectors.shape)}{context.vectors.dtype}".encode()
    return hashlib.sha256(about + content.tobytes()).hexdigest()


@dataclass
class Work:
    """A prompt and who waits for its answers.

    Attributes:
        job: what is asked.
        runs: the prompt.
        max_tokens: longest answer.
        tell: is given what there is to say, and an exception at last if it fails; from another thread.
        cancelled: nobody waits any more.
        left: answers that are not finished.
        said: tokens of all answers.
    """

    job: Job
    runs: list[Run]
    max_tokens: int
    tell: Callable[[Delta | Finished | Exception], None]
    cancelled: bool = False
    left: int = field(init=False)
    said: int = 0

    def __post_init__(self) -> None:
        self.left = self.job.n


@dataclass
class Active:
    """An answer with its prompt; `token` is the last that it said, which the decoder has not read yet."""

    work: Work
    answer: Answer
    token: int


class Decoding:
    """The batch of one decoder.

    Args:
        max_batch: answers that are generated at the same time. Decoders whose attention counts places instead of
            positions take one at a time.
        prefill_positions: positions of new prompts that are read in one pass, padding included; a longer prompt is read
            alone.
    """

    def __init__(
        self,
        answering: Answering,
        *,
        end_ids: Sequence[int] = (),
        max_batch: int = 32,
        prefill_positions: int = 4096,
        prefix_cache_mib: float = 512,
    ) -> None:
        self.decoder, self.arc, self.name = answering.decoder, answering.arc, answering.name
        self.end_ids = frozenset([self.decoder.tokenizer.eos_token_id, *end_ids])
        self.max_batch = 1 if counts_slots(self.decoder.model.config) else max_batch
        self.prefill_positions = prefill_positions
        self.prefixes: Lru[Key, Row] = Lru(prefix_cache_mib * 2**20, lambda row: row.bytes)  # that end with a document
        self.prefix_hits = self.prefix_misses = 0
        self._token_bytes = TokenBytes(self.decoder.tokenizer)
        self._takes_positions = "position_ids" in inspect.signature(self.decoder.model.forward).parameters
        self.reset()

    def reset(self) -> None:
        """Forget all that is being generated."""
        self.rows = Rows([])
        self.active: list[Active] = []
        self.pending: deque[tuple[Active, Row]] = deque()  # read, and waiting for a place in the batch
        self.prefixes.clear()

    @property
    def room(self) -> int:
        """Answers that could still be begun."""
        return self.max_batch - len(self.active) - len(self.pending)

    @property
    def works(self) -> list[Work]:
        """All prompts that are being answered."""
        return list({id(each.work): each.work for each in [*self.active, *(one for one, _ in self.pending)]}.values())

    @torch.no_grad()
    def read(self, works: Sequence[Work]) -> None:
        """Read new prompts and say the first token of each of their answers.

        Args:
            works: one at least; those of similar length are read together (`groups`).
        """
        starts = [beginning(work.runs) if self.prefixes.limit else [] for work in works]
        keys = [key_of(start) if start else None for start in starts]
        known = self._prefixes({key: start for key, start in zip(keys, starts, strict=True) if key is not None})
        rows = [known[key] if key is not None else EMPTY for key in keys]
        rest = [self._embed(work.runs[len(start) :]) for work, start in zip(works, starts, strict=True)]
        logits, read = self.extend(rows, rest)
        for work, scores, row in zip(works, logits, read, strict=True):
            ends: frozenset[int] = frozenset() if work.job.ignore_eos else self.end_ids
            for choice in range(work.job.n):
                answer = Answer(
                    work.job,
                    choice,
                    max_tokens=work.max_tokens,
                    end_ids=ends,
                    decode=self._decode,
                    token_bytes=self._token_bytes,
                )
                active = Active(work, answer, 0)
                if self._say(active, answer.draw(scores), scores):
                    self.pending.append((active, row))

    def _prefixes(self, wanted: dict[Key, list[Run]]) -> dict[Key, Row]:
        """Keys and values of beginnings, those that are not remembered read now."""
        known = {key: self.prefixes.get(key) for key in wanted}
        missing = [key for key, row in known.items() if row is None]
        self.prefix_hits += len(known) - len(missing)
        self.prefix_misses += len(missing)
        if missing:
            _, read = self.extend([EMPTY] * len(missing), [self._embed(wanted[key]) for key in missing])
            for key, row in zip(missing, read, strict=True):
                self.prefixes.put(key, row)
                known[key] = row
        return {key: row for key, row in known.items() if row is not None}

    @torch.no_grad()
    def step(self) -> None:
        """Let those join that wait, drop those that nobody waits for, and say one more token of every answer."""
        self._leave([each for each in self.active if not each.work.cancelled])
        joining: list[tuple[Active, Row]] = []
        while self.pending and len(self.active) + len(joining) < self.max_batch:
            active, row = self.pending.popleft()
            if not active.work.cancelled:
                joining.append((active, row))
        if joining:
            self.rows.add([row for _, row in joining])
            self.active += [active for active, _ in joining]
        if not self.active:
            return
        device = self.decoder.device
        tokens = torch.tensor([[each.token] for each in self.active], device=device)
        lengths = torch.tensor(self.rows.lengths, device=device)[:, None]
        mask = torch.cat([self.rows.mask(device), torch.ones_like(tokens, dtype=torch.bool)], 1)
        logits = self._forward(
            self.decoder.embed(tokens), mask, lengths, torch.ones_like(tokens, dtype=torch.bool), self.rows
        )
        self.rows.step()
        likeliest = logits.argmax(-1).tolist()
        going = []
        for each, scores, first in zip(self.active, logits, likeliest, strict=True):
            if self._say(each, each.answer.draw(scores) if each.answer.drawn else first, scores):
                going.append(each)
        self._leave(going)

    @torch.no_grad()
    def probe(self) -> None:
        """One pass beside what is under way, which is left alone."""
        self.extend([EMPTY], [self._embed([[next(iter(self.end_ids))]])])

    def extend(self, rows: Sequence[Row], pieces: Sequence[Tensor]) -> tuple[Tensor, list[Row]]:
        """Read more of several prompts.

        Args:
            pieces: embeddings (S, E) of what comes next, one position at least.

        Returns:
            logits (B, V) at the last position of each, and what has been read then.
        """
        device, counts = self.decoder.device, [len(piece) for piece in pieces]
        before = Rows(rows)
        embeddings = torch.nn.utils.rnn.pad_sequence(list(pieces), batch_first=True).to(device)
        place = torch.arange(embeddings.shape[1], device=device)
        ends = torch.tensor(counts, device=device)[:, None]
        real = place < ends
        positions = torch.where(real, torch.tensor(before.lengths, device=device)[:, None] + place, 0)
        mask = torch.cat([before.mask(device), real], 1)
        logits = self._forward(embeddings, mask, positions, place == ends - 1, before)
        return logits, before.grown(counts)

    def _forward(self, embeddings: Tensor, mask: Tensor, positions: Tensor, last: Tensor, rows: Rows) -> Tensor:
        """Logits (B, V) at chosen positions; the rows' cache grows."""
        placed = {"position_ids": positions} if self._takes_positions else {}
        with self.arc.decoder_adapter_of(self.name):
            output = forward_at(
                self.decoder.model,
                last,
                inputs_embeds=embeddings,
                attention_mask=mask.long(),
                past_key_values=rows.cache,
                use_cache=True,
                **placed,
            )
        check_cache(rows.cache)
        logits: Tensor = output.logits
        return logits

    def groups(self, works: Sequence[Work]) -> list[list[Work]]:
        """Prompts that are read in one pass: of similar length, and not too many positions."""
        found: list[list[Work]] = []
        for work in sorted(works, key=lambda each: length_of(each.runs)):
            longest = length_of(work.runs)
            if found and len(found[-1]) < self.max_batch and (len(found[-1]) + 1) * longest <= self.prefill_positions:
                found[-1].append(work)
            else:
                found.append([work])
        return found

    def _say(self, active: Active, token: int, scores: Tensor) -> bool:
        """Take the next token of an answer; whether it continues."""
        work, answer = active.work, active.answer
        active.token = token
        delta = answer.add(token, scores)
        work.said += 1
        if delta is not None and not work.cancelled:
            work.tell(delta)
        if answer.finish is None:
            return True
        work.left -= 1
        if work.left == 0 and not work.cancelled:
            work.tell(Finished(length_of(work.runs), work.said))
        return False

    def _leave(self, staying: list[Active]) -> None:
        if len(staying) < len(self.active):
            left = {id(each) for each in staying}
            self.rows.keep([place for place, each in enumerate(self.active) if id(each) in left])
            self.active = staying

    def _embed(self, runs: Sequence[Run]) -> Tensor:
        """(S, E) of a part of a prompt."""
        device, dtype = self.decoder.device, self.decoder.model.get_input_embeddings().weight.dtype
        parts = [
            self.decoder.embed(torch.tensor([run], device=device))[0]
            if isinstance(run, list)
            else run.vectors.to(device, dtype)
            for run in runs
        ]
        return torch.cat(parts)

    def _decode(self, ids: list[int]) -> str:
        # "Cleaning up" spaces would change a text that was shown already.
        return str(self.decoder.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))
