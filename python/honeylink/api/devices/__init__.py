"""`/devices`."""
