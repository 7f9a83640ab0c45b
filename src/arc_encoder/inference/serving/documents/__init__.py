"""Documents of requests → vectors."""
