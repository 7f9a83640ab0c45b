"""Rows of results → tables in Markdown, LaTeX and CSV."""
