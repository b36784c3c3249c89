"""Ends a database server whose owner is gone, however he went: SIGKILL leaves him no time to do it himself.

A shell waits for the end of a pipe that the owner holds open. The kernel closes it with the owner, on Linux and macOS
alike. Linux's PR_SET_PDEATHSIG would need no process, but tells of the end of a *thread*, is lost where the server
changes its account, and is Linux's alone.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from typing import TYPE_CHECKING, Final

from honeylink.store._programs import ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from honeylink.store._programs import Account

# The first line is the server's process id, the second the owner's word that there is nothing to guard any more.
# Fast, immediate, by force, as an owner does it. What ends the owner's group or terminal must not end the guard.
_WAIT: Final = """
trap '' HUP INT TERM
read -r pid && ! read -r _ || exit 0
for signal in INT QUIT KILL; do
    kill -"$signal" "$pid" 2>/dev/null || exit 0
    seconds=0
    while [ "$seconds" -lt 10 ] && kill -0 "$pid" 2>/dev/null; do sleep 1; seconds=$((seconds + 1)); done
done
"""
# The server tells its id itself, before it is one: so there is no moment in which it is unguarded. It keeps nothing of
# the pipe, or the pipe would never end.
_TELL: Final = 'echo "$$" >&0 && exec "$@" </dev/null'
_SHELL: Final = "/bin/sh"


class Guard:
    """A process that outlives its owner for long enough to end the server that was started with it."""

    def __init__(self, account: Account) -> None:
        theirs, self._ours = os.pipe()
        try:
            self._process = subprocess.Popen(  # noqa: S603 -- the words are ours
                [_SHELL, "-c", _WAIT],
                stdin=theirs,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env=ENVIRONMENT,
                start_new_session=True,
                **account.popen(),
            )
        except BaseException:
            os.close(self._ours)
            raise
        finally:
            os.close(theirs)

    @property
    def stdin(self) -> int:
        """What `command` must have for its standard input."""
        return self._ours

    def command(self, server: Sequence[str]) -> list[str]:
        """The server's command, which makes it a guarded one."""
        return [_SHELL, "-c", _TELL, _SHELL, *server]

    def release(self) -> None:
        """Let the guard go, once the server is gone."""
        with contextlib.suppress(BrokenPipeError):  # somebody has ended it
            os.write(self._ours, b"\nreleased\n")
        os.close(self._ours)
        self._process.wait()
