"""Making the bundled toy models: tokenizers and small language models trained on the toy world."""
