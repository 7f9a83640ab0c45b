"""What requests and answers look like: bodies, errors, limits, counts."""
