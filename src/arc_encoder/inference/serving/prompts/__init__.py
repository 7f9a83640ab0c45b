"""Messages and prompts → what the decoder reads."""
