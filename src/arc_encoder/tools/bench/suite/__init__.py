"""`arc-bench all`: figures beside their limits, in one run, kept and compared."""
