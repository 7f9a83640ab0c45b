"""Generated data: the toy world, and needles in filler."""
