"""Byte tokenizers with chat templates, and a frozen chat decoder."""

from __future__ import annotations

from transformers import PreTrainedTokenizerFast

from arc_encoder.model.decoder.load import FrozenDecoder
from tests.tiny_models import tiny_language_model, tiny_tokenizer

# As Llama 2 Chat writes it: BOS by itself, white space before and after an answer, EOS at its end.
LLAMA_2 = (
    "{% for message in messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('turns must alternate') }}{% endif %}"
    "{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + message['content'].strip() + ' [/INST]' }}"
    "{% else %}{{ ' ' + message['content'].strip() + ' ' + eos_token }}{% endif %}"
    "{% endfor %}"
)
# ChatML with a system prompt of its own: no BOS, an end of turn that is not EOS, and text behind it.
CHATML = (
    "{{ '<|im_start|>system\\nBe brief.<|im_end|>\\n' }}"
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}{{ '<|im_start|>user\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% else %}{{ '<|im_start|>assistant\\n' + message['content'] + '<|im_end|>\\n' }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def chat_tokenizer(template: str | None) -> PreTrainedTokenizerFast:
    """One token a byte, with a chat template and ChatML's special tokens."""
    tokenizer = tiny_tokenizer()
    tokenizer.add_special_tokens({"extra_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    tokenizer.chat_template = template
    return tokenizer


def chat_decoder(template: str = LLAMA_2, **options: int) -> FrozenDecoder:
    """A frozen random language model that is asked through a chat template."""
    return FrozenDecoder(tiny_language_model(**options), chat_tokenizer(template), chat=True)
