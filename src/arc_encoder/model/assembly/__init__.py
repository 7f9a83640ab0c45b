"""Putting a model together from its parts: fresh, from a trained compressor, or with another decoder."""
