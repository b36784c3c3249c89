"""Pure rules and values: no I/O, no clock, no randomness. Whatever varies is an argument."""
