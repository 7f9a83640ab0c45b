"""Running an evaluation: systems on benchmarks, finished parts, rows of results."""
