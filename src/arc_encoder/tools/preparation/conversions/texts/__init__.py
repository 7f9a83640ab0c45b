"""Plain texts, paraphrases and translations."""
