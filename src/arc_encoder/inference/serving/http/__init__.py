"""The HTTP side: what every request passes, the routes, metrics, the log."""
