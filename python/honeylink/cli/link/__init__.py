"""`honeylink link simulate`: what a link does with a session's traffic, on a clock of its own.

It needs the library alone, so it knows nothing of the service. The scheduler that decides is the one that gateways use;
the simulation only makes packets and keeps the time, so a scenario gives the same on every machine.
"""
