"""Files that a training writes: checkpoints, and the compressor."""
