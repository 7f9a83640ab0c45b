"""Batch → loss, in plain torch: nothing here knows of Lightning or Hydra."""
