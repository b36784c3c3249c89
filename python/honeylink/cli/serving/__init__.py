"""`honeylink serve` as processes: one by itself, or workers behind one socket; how they begin, and how they end."""
