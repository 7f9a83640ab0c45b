"""Vectors that may have lost the answer: how that is foretold, and what is done about it."""
