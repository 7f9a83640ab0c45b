"""What computes: devices, dtypes, memory."""
