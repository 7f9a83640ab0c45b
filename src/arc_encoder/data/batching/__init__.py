"""Samples → batches: tokenizers, chat templates, the collator and the data module."""
