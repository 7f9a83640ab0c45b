"""Vectors that may have lost the answer: how that is predicted, and what is done about it."""
