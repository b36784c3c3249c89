"""`honeylink bench fec`: how fast the codec is on this machine, beside the peers that are installed.

It needs the library alone, so it knows nothing of the service.

The road not taken is to time one codec after the other: a machine is not as fast in this second as in the next. Here
each has a process of its own that waits while it is not its turn, since an engine is chosen once in a process; they
take turns sample by sample, and medians are shown.
"""
