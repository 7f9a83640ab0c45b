"""GGUF files, llama.cpp's format, as ordinary model folders."""
