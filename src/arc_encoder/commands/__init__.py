"""Commands. Each composes its configuration with Hydra and checks it before any weight is loaded."""
