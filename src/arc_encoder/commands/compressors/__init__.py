"""Commands that use a trained compressor."""
