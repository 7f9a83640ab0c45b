"""Systems on benchmarks: answers, scores, confidence intervals."""
