"""Commands that get data and models ready."""
