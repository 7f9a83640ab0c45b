"""Requests with vectors for a vLLM server, as its version 0.33 documents them."""

from arc_encoder.inference.serving.vllm.embedding_table import EmbeddingTable
from arc_encoder.inference.serving.vllm.requests import chat_request, completions_request, offline_mixed, offline_prompt

__all__ = ["EmbeddingTable", "chat_request", "completions_request", "offline_mixed", "offline_prompt"]
