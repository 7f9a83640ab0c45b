"""Folders of trained ARC-Encoders: what is stored, what is referred to, and what belongs in front of what."""
