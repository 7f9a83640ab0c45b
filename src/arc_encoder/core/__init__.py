"""What every room may use: the words that data and model share, our exceptions, and files that are written atomically."""
