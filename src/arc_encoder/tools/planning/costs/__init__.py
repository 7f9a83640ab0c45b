"""Memory and work of one batch, term by term."""
