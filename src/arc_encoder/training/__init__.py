"""Lightning module, optimizer and callbacks."""
