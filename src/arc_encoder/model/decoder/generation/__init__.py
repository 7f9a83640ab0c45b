"""Prompts continued: keys and values that are kept, shared, grown, and given to new prompts."""
