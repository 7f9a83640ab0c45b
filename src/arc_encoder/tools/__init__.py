"""What is seldom run: data preparation, surveys, ablations, plans, golden cases, benchmarks."""
