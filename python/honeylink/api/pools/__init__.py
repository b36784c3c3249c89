"""`/pools`, and the pools of tenants and devices."""
