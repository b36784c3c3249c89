"""A process for each codec, which does what it is told and waits for the rest of the time."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from honeylink.cli.bench.cases import CodecFailed

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from honeylink.cli.bench.cases import Case, Codec
    from honeylink.cli.bench.codecs import Prepared

_JOIN_SECONDS = 5


class Worker:
    """The parent's end of one codec's process."""

    def __init__(self, codec: Codec, sample_seconds: float) -> None:
        self.codec = codec
        # Not `fork`: an engine that this process has settled would be the child's too.
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, codec, sample_seconds), daemon=True)
        # Ctrl-C goes to all processes of a terminal. The children leave it to this one, from their first moment on.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            self._process.start()
        finally:
            signal.signal(signal.SIGINT, before)
        theirs.close()

    def prepare(self, case: Case) -> str | None:
        """Make ready for a case: the digest of its parity, see `Prepared`; None if the codec is not made for it."""
        answer: str | None = self._ask(case)
        return answer

    def sample(self) -> float:
        """Seconds that a call takes, as the mean of one sample."""
        answer: float = self._ask(None)
        return answer

    def stop(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.terminate()
        self._process.join(_JOIN_SECONDS)

    def _ask(self, question: Case | None) -> Any:  # noqa: ANN401 - the answers are told apart by those who ask
        try:
            self._pipe.send(question)
            answer = self._pipe.recv()
        except (EOFError, OSError):
            raise CodecFailed("expected an answer, found that its process has ended") from None
        if isinstance(answer, CodecFailed):
            raise answer
        return answer


def _serve(pipe: Connection, codec: Codec, sample_seconds: float) -> None:
    if codec.engine:
        os.environ["HONEYLINK_FEC_ENGINE"] = codec.engine
    from honeylink.cli.bench import codecs  # only now: it settles the engine

    prepared: Prepared | None = None
    count = 1
    with suppress(EOFError, OSError):  # how it shows that the parent is done, or gone
        while True:
            case: Case | None = pipe.recv()
            answer: str | float | CodecFailed | None = None
            try:
                if case is not None:
                    prepared = codecs.prepare(codec, case)
                    if prepared is not None:
                        count = _calls_for(prepared.call, sample_seconds)
                        answer = prepared.parity_digest
                elif prepared is not None:
                    answer = _seconds(prepared.call, count) / count
            except Exception as error:  # noqa: BLE001 - a peer may fail in any way, and the others go on
                answer = CodecFailed(str(error) or type(error).__name__)
            pipe.send(answer)


def _calls_for(call: Callable[[], object], seconds: float) -> int:
    """How many calls take about that long. Counting them warms up, too."""
    count = 1
    while (taken := _seconds(call, count)) < seconds / 4:
        count *= 2
    return max(1, round(count * seconds / taken))


def _seconds(call: Callable[[], object], count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        call()
    return time.perf_counter() - start
