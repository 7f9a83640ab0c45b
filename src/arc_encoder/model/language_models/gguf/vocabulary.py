"""The tokenizer of a GGUF file, as a fast tokenizer of the library.

The library reads these too, but its results changed from version to version (5.17 takes BOS for EOS), and a compressor
must see the same ids after every update. There are two kinds: byte-level BPE, whose rule of cutting text into words the
file only names, and SentencePiece BPE, whose merges follow from the scores.
"""

from __future__ import annotations

from typing import Any

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)
from transformers import PreTrainedTokenizerFast
from transformers.tokenization_utils_base import generate_merges

from arc_encoder.core.errors import CheckpointError
from arc_encoder.model.language_models.gguf.reader import GgufFile

CONTROL, USER_DEFINED = 3, 4  # kinds of tokens that are matched whole
SPACE = "▁"
LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN_2 = LLAMA_3.replace(r"\p{N}{1,3}", r"\p{N}")
_LETTERS = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+{ending}"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*{ending}"
)
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
TEKKEN = _LETTERS.replace("{ending}", "") + r"|\p{N}" + _REST
GPT_4O = _LETTERS.replace("{ending}", "(?i:'s|'t|'re|'ve|'m|'ll|'d)?") + r"|\p{N}{1,3}" + _REST


def _cut(pattern: str) -> Any:
    parts = [pre_tokenizers.Split(Regex(pattern), behavior="isolated")]
    return pre_tokenizers.Sequence([*parts, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def _words() -> Any:
    return pre_tokenizers.ByteLevel(add_prefix_space=False)


def _digits_and_words() -> Any:
    return pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), _words()])


# `tokenizer.ggml.pre` → how text is cut into words.
CUTS = {
    "gpt-2": _words,
    "smollm": _digits_and_words,
    "llama-bpe": lambda: _cut(LLAMA_3),
    "smaug-bpe": lambda: _cut(LLAMA_3),
    "qwen2": lambda: _cut(QWEN_2),
    "deepseek-r1-qwen": lambda: _cut(QWEN_2),
    "tekken": lambda: _cut(TEKKEN),
    "gpt-4o": lambda: _cut(GPT_4O),
}
WHOLE_WORDS_FIRST = ("llama-bpe", "tekken")  # a word that is a token is not built of merges
COMPOSED = ("qwen2", "deepseek-r1-qwen")  # letters and their accents are joined first


def tokenizer_of(file: GgufFile) -> PreTrainedTokenizerFast:
    """The tokenizer, with its special tokens and its chat template.

    Raises:
        CheckpointError: none in the file, or one of a kind that is not known here.
    """
    kinds = {"gpt2": _byte_level, "llama": _sentencepiece}
    kind = file.field("tokenizer.ggml.model")
    if kind not in kinds:
        raise CheckpointError(
            f"{file.path} has {'no tokenizer' if kind is None else f'a tokenizer of the kind {kind!r}'}; known kinds: "
            f"{', '.join(kinds)}"
        )
    tokens: list[str] = file.field("tokenizer.ggml.tokens")
    made = kinds[kind](file, tokens)
    numbers = file.field("tokenizer.ggml.token_type") or []
    vocabulary = made.get_vocab()  # in which runs of spaces are spelt otherwise
    for number in (CONTROL, USER_DEFINED):
        matched = [token for token, own in zip(tokens, numbers, strict=False) if own == number and token in vocabulary]
        made.add_tokens([AddedToken(token, normalized=False, special=number == CONTROL) for token in matched])
    roles = {"bos": "bos", "eos": "eos", "unk": "unknown", "pad": "padding"}
    ids = {role: file.field(f"tokenizer.ggml.{name}_token_id") for role, name in roles.items()}
    special = {role: tokens[number] for role, number in ids.items() if number is not None}
    made.post_processor = _ends(file, special, ids)
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        chat_template=file.field("tokenizer.chat_template"),
        clean_up_tokenization_spaces=False,
        **{f"{role}_token": token for role, token in special.items()},
    )


def _byte_level(file: GgufFile, tokens: list[str]) -> Tokenizer:
    cut = str(file.field("tokenizer.ggml.pre", "none"))
    if cut not in CUTS:
        raise CheckpointError(
            f"{file.path} has a tokenizer that cuts text in the way {cut!r}, which is not known here; known: {', '.join(CUTS)}"
        )
    merges = [tuple(merge.split(" ", 1)) for merge in file.field("tokenizer.ggml.merges")]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    made = Tokenizer(models.BPE(vocabulary, merges, ignore_merges=cut in WHOLE_WORDS_FIRST))
    if cut in COMPOSED:
        made.normalizer = normalizers.NFC()
    made.pre_tokenizer = CUTS[cut]()
    made.decoder = decoders.ByteLevel()
    return made


def _sentencepiece(file: GgufFile, tokens: list[str]) -> Tokenizer:
    """BPE whose best-scored piece is merged first; bytes stand for what the vocabulary lacks."""
    prefix = bool(file.field("tokenizer.ggml.add_space_prefix", True))
    if prefix:
        scores = dict(zip(tokens, file.field("tokenizer.ggml.scores"), strict=True))
    else:  # Gemma's: runs of spaces are spelt plainly, and pieces come in the order of their merges
        tokens = [token if token.strip(" ") else SPACE * len(token) for token in tokens]
        scores = {token: -float(number) for number, token in enumerate(tokens)}
    vocabulary = {token: number for number, token in enumerate(tokens)}
    unknown = file.field("tokenizer.ggml.unknown_token_id")
    made = Tokenizer(
        models.BPE(
            vocabulary,
            generate_merges(vocabulary, scores),
            unk_token=None if unknown is None else tokens[unknown],
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    spaces = normalizers.Replace(" ", SPACE)
    made.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE), spaces]) if prefix else spaces
    joined = [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    made.decoder = decoders.Sequence([*joined, *([decoders.Strip(" ", 1, 0)] if prefix else [])])
    return made


def _ends(file: GgufFile, special: dict[str, str], ids: dict[str, int | None]) -> Any:
    """What surrounds a text that is tokenized with special tokens."""
    adds = {"bos": file.field("tokenizer.ggml.model") == "llama", "eos": False}  # SentencePiece files may not say
    wanted = {role: bool(file.field(f"tokenizer.ggml.add_{role}_token", usual)) for role, usual in adds.items()}
    before, after = ([special[role]] if wanted[role] and role in special else [] for role in ("bos", "eos"))
    return processors.TemplateProcessing(
        single=[*before, "$A", *after],
        pair=[*before, "$A", *after, *(f"{token}:1" for token in before), "$B:1", *(f"{token}:1" for token in after)],
        special_tokens=[(special[role], ids[role]) for role in adds if role in special],
    )
