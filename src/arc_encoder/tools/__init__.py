"""What is seldom run: toy models, data preparation, surveys, ablations, plans, golden cases, benchmarks."""
