"""Load shedding: no more sessions are in the course of opening than can be opened in time, and the rest is refused.

- `states`: the states of a request and its transitions, as a table.
- `in_flight`: one request, which moves by that table and is counted in each state.
- `limit`: how many may be in flight, found from how long opening takes.
- `turns`: how many requests begin, or are settled, in one pass of the event loop.
- `gate`: the admission gate, which joins them.

What a request looks like, and what a refusal does, is up to `honeylink.api.connection.load_shedding`.
"""
