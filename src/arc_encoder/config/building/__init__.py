"""Parts of the library, made from their configurations."""
