"""HoneyLink: secure multi-stream sessions for devices on lossy links.

The codec (`honeylink.fec`) and the planner (`honeylink.scheduler`) need NumPy alone; the session service is
the extra `honeylink[server]`.
"""

from honeylink._native import __version__

__all__ = ["__version__"]
