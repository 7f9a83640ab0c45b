"""Between Hydra and the library: configurations composed, checked and built."""
