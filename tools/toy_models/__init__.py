"""The bundled toy models made again: tokenizers and small language models trained on the toy world."""
