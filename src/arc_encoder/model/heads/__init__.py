"""What belongs to one decoder: projector, task tokens, starts, and a baseline's adapter."""
