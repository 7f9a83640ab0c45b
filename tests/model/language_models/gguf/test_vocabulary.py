"""Tokenizers of GGUF files give the ids of the tokenizers that they were written from."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Regex, pre_tokenizers
from transformers import AutoTokenizer

from arc_encoder.core.errors import CheckpointError
from arc_encoder.model.language_models.gguf.reader import GgufFile
from arc_encoder.model.language_models.gguf.vocabulary import LLAMA_3, QWEN_2, tokenizer_of
from tests.tiny_gguf import byte_tokenizer, model_of, write_gguf

TRICKY = [
    "the capital of the country  is 1987",
    " they'll count\n\n345  boats",
    "Ünïcode, 漢字 and\ttabs — THE END",
    "a<|end|>b <|start|>",
    "",
]


def digits() -> Any:
    return pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )


def split(pattern: str) -> Any:
    cut = pre_tokenizers.Split(Regex(pattern), behavior="isolated")
    return pre_tokenizers.Sequence([cut, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


@pytest.mark.parametrize(
    ("name", "cut"),
    [
        ("gpt-2", pre_tokenizers.ByteLevel(add_prefix_space=False)),
        ("smollm", digits()),
        ("llama-bpe", split(LLAMA_3)),
        ("qwen2", split(QWEN_2)),
    ],
)
def test_byte_level_ids_stay(name: str, cut: Any, tmp_path: Path) -> None:
    original = byte_tokenizer(cut)
    made = tokenizer_of(GgufFile(write_gguf(tmp_path / "m.gguf", model_of("llama"), tokenizer=original, cut=name)))
    made.save_pretrained(tmp_path / "saved")
    for tokenizer in (made, AutoTokenizer.from_pretrained(tmp_path / "saved")):
        for text in TRICKY:
            assert tokenizer(text)["input_ids"] == original(text)["input_ids"]
            assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    assert made.all_special_tokens == original.all_special_tokens


PIECES = {
    "  ": -7.0,
    "▁": -9.0,
    "▁t": -1.0,
    "he": -2.0,
    "▁the": -3.0,
    "in": -4.0,
    "▁in": -5.0,
    "the": -6.0,
    "ing": -8.0,
}
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def sentencepiece_file(path: Path, *, prefix: bool) -> Path:
    """A file of SentencePiece's kind: special tokens, bytes, pieces with scores, letters."""
    gguf = pytest.importorskip("gguf", reason="needs the extra gguf")
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{number:02X}>" for number in range(256)), *PIECES, *LETTERS, "<turn>"]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([PIECES.get(token, -100.0 - number) for number, token in enumerate(tokens)])
    writer.add_token_types([2, 3, 3, *[6] * 256, 1 if prefix else 4, *[1] * (len(PIECES) - 1 + len(LETTERS)), 4])
    for name, number in (("bos", 1), ("eos", 2), ("unk", 0)):
        getattr(writer, f"add_{name}_token_id")(number)
    writer.add_add_space_prefix(prefix)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def merged(text: str, scores: dict[str, float]) -> list[str]:
    """SentencePiece's BPE, the slow and obvious way: of all neighbours join the best-scored, the first of equals."""
    parts = list(text)
    while True:
        joined = [(scores.get(a + b), -i) for i, (a, b) in enumerate(itertools.pairwise(parts))]
        best = max((pair for pair in joined if pair[0] is not None), default=None)
        if best is None:
            break
        at = -best[1]
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    known = {*scores, *LETTERS}
    return [
        piece
        for part in parts
        for piece in ([part] if part in known else [f"<0x{byte:02X}>" for byte in part.encode()])
    ]


def test_sentencepiece_ids_stay(tmp_path: Path) -> None:
    made = tokenizer_of(GgufFile(sentencepiece_file(tmp_path / "m.gguf", prefix=True)))
    for text in ("the thing in the inn", "  they  sing", "a漢b", "x"):
        expected = merged("▁" + text.replace(" ", "▁"), PIECES)
        assert made.tokenize(text) == expected, text
        assert made.decode(made(text)["input_ids"][1:]) == text
    assert made("in")["input_ids"][0] == made.bos_token_id == 1
    assert made.tokenize("in<turn>")[-1] == "<turn>"


def test_gemmas_spaces(tmp_path: Path) -> None:
    """Without a space in front; runs of spaces are tokens."""
    made = tokenizer_of(GgufFile(sentencepiece_file(tmp_path / "m.gguf", prefix=False)))
    assert made.tokenize("in  the") == ["in", "▁▁", "the"]
    assert len(made) == 3 + 256 + len(PIECES) + len(LETTERS) + 1
    assert made.decode(made("in  the")["input_ids"][1:]) == "in  the"


def test_other_kinds_are_refused(tmp_path: Path) -> None:
    gguf = pytest.importorskip("gguf")
    writer = gguf.GGUFWriter(tmp_path / "m.gguf", "llama")
    writer.add_tokenizer_model("bert")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(CheckpointError, match="a tokenizer of the kind 'bert'; known kinds: gpt2, llama"):
        tokenizer_of(GgufFile(tmp_path / "m.gguf"))
