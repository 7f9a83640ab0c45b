"""A frozen causal language model behind a small interface."""
