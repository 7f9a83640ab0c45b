"""The thread in which a decoder answers: waiting prompts in, tokens out, and what happens when a pass fails."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from arc_encoder.inference.serving.engines.base import T
from arc_encoder.inference.serving.engines.embedded.decoding import Decoding, Work
from arc_encoder.inference.serving.prompts.prompt import length_of
from arc_encoder.inference.serving.protocol.errors import unavailable, without_text

RETRY_SECONDS = 1.0  # between two looks at a decoder that failed
ENDING = "the gateway is shutting down"
FAILED = "the engine failed while it answered; try again"
BROKEN = "the engine does not work at the moment"
HANDOVER_SECONDS = 0.001  # in which first tokens leave, before the next pass takes the processor

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Call:
    """Something else that is to be done with the decoder."""

    work: Callable[[], Any]
    done: Future[Any]

    def run(self) -> None:
        """Do it, and tell."""
        if not self.done.set_running_or_notify_cancel():
            return
        try:
            self.done.set_result(self.work())
        except BaseException as error:  # told to whoever waits for it
            self.done.set_exception(error)
            if not isinstance(error, Exception):
                raise

    def refuse(self, why: str) -> None:
        """Tell that it will not be done."""
        if self.done.set_running_or_notify_cancel():
            self.done.set_exception(unavailable(why))


@dataclass(frozen=True)
class Failure:
    """A pass that failed: the kind of its exception, and its place besides."""

    kind: str
    place: str


class GenerationLoop:
    """Runs a `Decoding`.

    Args:
        max_positions: positions that all answers under way may come to, prompt and answer; more wait. One prompt always
            goes.
    """

    def __init__(self, decoding: Decoding, *, max_positions: int) -> None:
        self.decoding, self.max_positions = decoding, max_positions
        self.failures = 0
        self.broken: str | None = None
        self._incoming: SimpleQueue[Work | Call | None] = SimpleQueue()
        self._waiting: deque[Work] = deque()
        self._thread: threading.Thread | None = None
        self._ending = False

    @property
    def waiting(self) -> int:
        """Prompts that were not begun."""
        return len(self._waiting) + self._incoming.qsize()

    def start(self) -> None:
        """Begin to work, also after the thread died."""
        if self._thread is None or not self._thread.is_alive():
            self._ending = False
            self._thread = threading.Thread(target=self._run, name="decoder", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End; what is under way is told that the engine is gone."""
        if self._thread is not None:
            self._ending = True
            self._incoming.put(None)
            self._thread.join()
            self._thread = None

    def submit(self, work: Work) -> None:
        """Answer a prompt."""
        if self._ending:
            work.tell(unavailable(ENDING))
            return
        self._incoming.put(work)
        self.start()

    def call(self, work: Callable[[], T]) -> Future[T]:
        """Run something else with the decoder, between two tokens: it has one user at a time."""
        done: Future[T] = Future()
        call = Call(work, done)
        if self._ending:
            call.refuse(ENDING)
        elif self.broken is not None:
            call.refuse(BROKEN)
        else:
            self._incoming.put(call)
            self.start()
        return done

    def _run(self) -> None:
        try:
            self._work()
        finally:  # where it ends by itself, nobody may wait for it for ever
            self._give_up(self._all(), "the engine ended; try again")

    def _work(self) -> None:
        while not self._ending:
            if self.broken is not None and not self._works_again():
                continue
            self._take()
            if self._read(self._admitted()):
                error = attempted(self.decoding.step)
                if error is not None:
                    self._failed([], error)

    def _read(self, works: list[Work]) -> bool:
        """Read new prompts; whether the decoder still works. Of a group that fails nobody else is concerned, if it does."""
        unread = {id(work) for work in works}
        for group in self.decoding.groups(works):
            unread -= {id(work) for work in group}
            error = attempted(partial(self.decoding.read, group))
            if error is None:
                time.sleep(HANDOVER_SECONDS)
            elif attempted(self.decoding.probe) is None:
                self._note(group, error)
                self._give_up(group, FAILED)
            else:
                self._waiting.extendleft(work for work in reversed(works) if id(work) in unread)
                self._failed(group, error)
                return False
        return True

    def _take(self) -> None:
        """Fetch what came in; with nothing to do, wait for it."""
        idle = not (self._waiting or self.decoding.active or self.decoding.pending)
        try:
            while (work := self._incoming.get(block=idle)) is not None:
                if isinstance(work, Call):
                    work.run()
                else:
                    self._waiting.append(work)
                    idle = False
        except Empty:
            pass

    def _admitted(self) -> list[Work]:
        """Waiting prompts for which there is room, in the order in which they came."""
        taken = sum(self._size(work) for work in self.decoding.works)
        room, found = self.decoding.room, []
        while self._waiting and room > 0:
            work = self._waiting[0]
            if work.cancelled:
                self._waiting.popleft()
                continue
            if taken and taken + self._size(work) > self.max_positions:
                break
            found.append(self._waiting.popleft())
            taken += self._size(work)
            room -= work.job.n
        return found

    @staticmethod
    def _size(work: Work) -> int:
        return (length_of(work.runs) + work.max_tokens) * work.job.n

    def _note(self, group: list[Work], error: Failure) -> None:
        self.failures += 1
        log.error("pass failed", extra={"fields": {"error": error.place, "prompts": len(group)}})

    def _failed(self, group: list[Work], error: Failure) -> None:
        """The decoder failed: everybody under way is told, and it is checked before work continues."""
        self._note(group, error)
        self.broken = error.kind
        self._give_up([*group, *self.decoding.works], FAILED)
        self.decoding.reset()

    def _works_again(self) -> bool:
        """Try one pass; while it fails, whoever comes is told at once."""
        error = attempted(self.decoding.probe)
        if error is None:
            self.broken = None
            return True
        self.broken = error.kind
        with suppress(Empty):
            self._give_up([self._incoming.get(timeout=RETRY_SECONDS)], BROKEN)
        self._give_up(list(self._waiting), BROKEN)
        self._waiting.clear()
        return False

    def _all(self) -> list[Work | Call | None]:
        found: list[Work | Call | None] = [*self.decoding.works, *self._waiting]
        try:
            while True:
                found.append(self._incoming.get_nowait())
        except Empty:
            pass
        self.decoding.reset()
        self._waiting.clear()
        return found

    @staticmethod
    def _give_up(given: Sequence[Work | Call | None], why: str) -> None:
        for each in given:
            if isinstance(each, Call):
                each.refuse(why)
            elif each is not None and not each.cancelled:
                each.cancelled = True
                each.tell(unavailable(why))


def attempted(work: Callable[[], object]) -> Failure | None:
    """Do it; what went wrong, if something did. The exception and the tensors that it holds are let go of before that is told."""
    try:
        work()
    except Exception as error:
        return Failure(type(error).__name__, without_text(error))
    return None
