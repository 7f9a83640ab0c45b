"""Contexts of unequal length: in buckets, so that little is padded, or in one row, so that nothing is."""
