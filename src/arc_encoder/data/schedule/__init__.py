"""What comes when, as pure functions of the seed and the step: records, batches, task shares, pooling factors."""
