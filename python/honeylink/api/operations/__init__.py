"""What operators and readers ask without a token: health, metrics and documentation."""
