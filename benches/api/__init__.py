"""The service under load, beside what the same database does by itself: `make bench-api`.

The reference is pgbench with the very statement that stores a session. It has no HTTP, no keys and no decision to make,
so it shows what part of the database's own speed is left to a client of the service. Both run against one database in
turns, so that whatever drifts on the machine hits both.
"""
