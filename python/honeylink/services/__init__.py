"""Use cases. Each owns its transaction and takes the clock; none knows HTTP or a database row."""
