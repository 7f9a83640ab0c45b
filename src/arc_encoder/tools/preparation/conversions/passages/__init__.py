"""Questions about given passages."""
