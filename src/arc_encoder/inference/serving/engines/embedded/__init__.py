"""The decoder inside this process."""
