"""The decoder's widest layer: logits where they are wanted, and their cross-entropy."""
