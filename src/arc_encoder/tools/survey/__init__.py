"""Looking at data before training: counts, lengths, duplicates, and samples as they would be built."""
