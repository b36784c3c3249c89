"""Load shedding: no more sessions are in the course of opening than can be opened in time, and the rest is refused.

ARCHITECTURE.md has a table of its modules. What a request looks like, and what a refusal does, is up to
`honeylink.api.connection.load_shedding`.
"""
