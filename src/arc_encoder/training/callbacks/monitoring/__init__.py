"""Callbacks that log numbers."""
