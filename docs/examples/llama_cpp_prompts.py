"""Prompts of ids and vectors for llama.cpp, by the C interface of `llama-cpp-python`: an example to copy (docs/serving.md).

A batch there is tokens or embeddings, so text, vectors, text are three batches of one sequence. llama.cpp gives embeddings to
the first layer as they are: for models that scale theirs (Gemma) vectors would have to be scaled alike, which is not done here.

Shape legend: M vectors, E decoder width, V vocabulary.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from arc_encoder.core.errors import CheckpointError, ConfigError, DataError
from arc_encoder.inference.encoding.contexts import CompressedContext
from arc_encoder.inference.serving.prompts.prompt import Run, length_of

PIECE = 256  # bytes that a token's text may have


class LlamaCpp:
    """A decoder in a GGUF file.

    Args:
        file: the file.
        positions: of a prompt with its answer.
        threads: of the CPU.

    Raises:
        ConfigError: llama-cpp-python is not installed.
        CheckpointError: the file cannot be loaded.
    """

    def __init__(self, file: str | Path, *, positions: int = 4096, threads: int = 4) -> None:
        try:
            import llama_cpp
        except ImportError as error:
            raise ConfigError(
                "llama.cpp needs the package llama-cpp-python; install it with: pip install llama-cpp-python"
            ) from error
        self._c: Any = llama_cpp
        self.positions = positions
        self._c.llama_backend_init()
        self._model = self._c.llama_model_load_from_file(str(file).encode(), self._c.llama_model_default_params())
        if not self._model:
            raise CheckpointError(f"llama.cpp cannot load {file}")
        self._vocabulary = self._c.llama_model_get_vocab(self._model)
        self.width = int(self._c.llama_model_n_embd(self._model))
        self.size = int(self._c.llama_vocab_n_tokens(self._vocabulary))
        settings = self._c.llama_context_default_params()
        settings.n_ctx = settings.n_batch = settings.n_ubatch = positions
        settings.n_threads = settings.n_threads_batch = threads
        self._context = self._c.llama_init_from_model(self._model, settings)
        if not self._context:
            raise CheckpointError(f"llama.cpp cannot make room for {positions} positions of {file}")

    def close(self) -> None:
        """Give the memory back."""
        self._c.llama_free(self._context)
        self._c.llama_model_free(self._model)

    def answer(self, runs: Sequence[Run], *, max_tokens: int) -> str:
        """The greedy answer to a prompt (`arc_encoder.inference.serving.prompts.prompt.runs_of`).

        Raises:
            DataError: vectors of another width, or a prompt that does not fit.
        """
        if length_of(runs) + max_tokens > self.positions:
            raise DataError(
                f"prompt and answer take {length_of(runs) + max_tokens} positions, but there are {self.positions}"
            )
        self._c.llama_memory_clear(self._c.llama_get_memory(self._context), True)
        place = 0
        for run in runs:
            self._read(run, place)
            place += len(run)
        said = b""
        for _ in range(max_tokens):
            token = int(self.logits().argmax())
            if self._c.llama_vocab_is_eog(self._vocabulary, token):
                break
            said += self._piece(token)
            self._read([token], place)
            place += 1
        return said.decode("utf-8", errors="replace")

    def logits(self) -> np.ndarray[Any, Any]:
        """Of the next token (V,)."""
        found = self._c.llama_get_logits_ith(self._context, -1)
        return np.ctypeslib.as_array(found, shape=(self.size,)).copy()

    def _read(self, run: Run, place: int) -> None:
        """One batch: ids, or vectors (M, E); logits at its last position."""
        vectors = isinstance(run, CompressedContext)
        batch = self._c.llama_batch_init(len(run), self.width if vectors else 0, 1)
        try:
            if isinstance(run, CompressedContext):
                if run.vectors.shape[1] != self.width:
                    raise DataError(f"vectors have width {run.vectors.shape[1]}, the decoder has {self.width}")
                numbers = np.ascontiguousarray(run.vectors.float().numpy())
                ctypes.memmove(batch.embd, numbers.ctypes.data, numbers.nbytes)
            else:
                for number, token in enumerate(run):
                    batch.token[number] = token
            for number in range(len(run)):
                batch.pos[number] = place + number
                batch.n_seq_id[number] = 1
                batch.seq_id[number][0] = 0
                batch.logits[number] = number == len(run) - 1
            batch.n_tokens = len(run)
            code = self._c.llama_decode(self._context, batch)
            if code != 0:
                raise DataError(
                    f"llama.cpp refuses a batch of {len(run)} {'vectors' if vectors else 'tokens'} (code {code})"
                )
        finally:
            self._c.llama_batch_free(batch)

    def _piece(self, token: int) -> bytes:
        buffer = ctypes.create_string_buffer(PIECE)
        length = self._c.llama_token_to_piece(self._vocabulary, token, buffer, PIECE, 0, False)
        return buffer.raw[: max(0, length)]
