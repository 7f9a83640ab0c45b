"""How vectors are kept: floats, bytes, product codes."""
