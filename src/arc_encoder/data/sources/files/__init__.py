"""Reading at any place of large or compressed files."""
