"""Results → tables and plots, from rows and files alone."""
