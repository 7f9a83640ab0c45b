"""Rows of public data sets → records, one data set or form a file."""
