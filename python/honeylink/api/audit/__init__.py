"""`/audit/events`."""
