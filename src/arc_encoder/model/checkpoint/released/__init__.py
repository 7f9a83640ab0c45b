"""Weights in layouts of others: released ARC-Encoders, and models in Meta's, Mistral's and OLMo-1's own layouts."""
