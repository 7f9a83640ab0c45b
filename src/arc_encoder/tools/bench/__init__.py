"""Speed and padding of a training, measured in one run so that ratios mean something."""
