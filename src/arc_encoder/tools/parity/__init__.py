"""Comparing with golden vectors: recorded numbers of the method's public implementation."""
