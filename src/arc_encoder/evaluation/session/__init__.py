"""What an evaluation works with: one decoder, an ARC-Encoder, and what is counted meanwhile."""
