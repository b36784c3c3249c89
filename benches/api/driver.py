"""A client with a fixed schedule, or without wrk one that is busy all the time.

It is one thread over plain sockets. Event loops of Python round their timers to a millisecond, which is a whole request
here; `select` does not. It is asked about one descriptor only, that of an `epoll` which watches the connections:
handing it all of them costs a fourth more CPU. A collection of garbage would be a pause of nobody's but ours.
"""

from __future__ import annotations

import gc
import random
import re
import select
import socket
import time
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benches.api.results import Load

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benches.api.messages import Traffic

REFUSALS = {b"429", b"503"}
_PATIENCE_SECONDS = 10
_LENGTH = re.compile(rb"\ncontent-length: *([0-9]+)", re.IGNORECASE)


@dataclass(slots=True, eq=False)
class _Connection:
    port: int
    socket: socket.socket
    due: float = 0.0
    received: bytes = b""


@dataclass(slots=True)
class _Driver:
    """Connections to the service, and what came of their requests."""

    traffic: Traffic
    ready: select.epoll
    connections: dict[int, _Connection] = field(default_factory=dict)
    idle: deque[_Connection] = field(default_factory=deque)
    load: Load = field(default_factory=Load)
    sent: int = 0

    def connect(self, port: int) -> None:
        """Have one more connection."""
        connection = _Connection(port, socket.create_connection(("127.0.0.1", port)))
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.ready.register(connection.socket, select.EPOLLIN)
        self.connections[connection.socket.fileno()] = connection
        self.idle.append(connection)

    def send(self, due: float) -> None:
        """Send a request over the connection that has been idle the longest."""
        connection = self.idle.popleft()
        connection.due = due
        with suppress(ConnectionError):  # it will be found closed when it is read
            connection.socket.sendall(random.choice(self.traffic.requests))
        self.load.late_us[round((time.perf_counter() - due) * 1e6)] += 1
        self.sent += 1

    def receive(self, connection: _Connection) -> None:
        """Read what is there, and count the answer if that completes it."""
        try:
            chunk = connection.socket.recv(65536)
        except ConnectionError:
            chunk = b""
        if not chunk:
            self._replace(connection)
            return
        received = connection.received + chunk
        end = received.find(b"\r\n\r\n") + 4
        length = _LENGTH.search(received, 0, end)
        if end < 4 or length is None or len(received) < end + int(length[1]):
            connection.received = received
            return
        connection.received = b""
        self.idle.append(connection)
        self._count(received[9:12], received, round((time.perf_counter() - connection.due) * 1e6))

    def _replace(self, connection: _Connection) -> None:
        """A connection that the service has closed, with a request on its way or none."""
        if connection in self.idle:
            self.idle.remove(connection)
        self.load.others["closed connection"] += 1
        del self.connections[connection.socket.fileno()]
        connection.socket.close()
        self.connect(connection.port)

    def _count(self, status: bytes, answer: bytes, latency_us: int) -> None:
        load = self.load
        if status == self.traffic.status and self.traffic.holds in answer:
            load.answered += 1
            load.latencies_us[latency_us] += 1
            return
        load.others[status.decode()] += 1
        if status in REFUSALS:
            load.refusals_us[latency_us] += 1
            load.without_retry_after += b"\nretry-after:" not in answer.lower()


def drive(
    ports: Sequence[int], traffic: Traffic, *, connections: int, seconds: float, per_second: float | None
) -> Load:
    """Send requests at a fixed rate, or as fast as they are answered if `per_second` is None.

    At a fixed rate a latency counts from the moment when the request was due, whether a connection was free or not.
    """
    with _connected(ports, traffic, connections) as driver:
        cpu = time.process_time()
        started = time.perf_counter()
        _run(driver, started, seconds, per_second)
        load = driver.load
        load.client_cpu_seconds = time.process_time() - cpu
        load.seconds = max(time.perf_counter() - started, seconds)
        load.others["no answer"] = connections - len(driver.idle)
        if per_second is None:
            load.late_us.clear()
        else:
            load.others["never sent"] = int(seconds * per_second) - driver.sent
        load.others = +load.others
        return load


def _run(driver: _Driver, started: float, seconds: float, per_second: float | None) -> None:
    ends, idle, all_idle = started + seconds, driver.idle, len(driver.idle)
    while (now := time.perf_counter()) < ends or (len(idle) < all_idle and now < ends + _PATIENCE_SECONDS):
        due = now
        while idle and now < ends:
            due = now if per_second is None else started + driver.sent / per_second
            if due > now or due >= ends:
                break
            driver.send(due)
        wait = _PATIENCE_SECONDS if now >= ends else max(min(due, ends) - time.perf_counter(), 0) if idle else 1.0
        if select.select([driver.ready], [], [], wait)[0]:
            for descriptor, _ in driver.ready.poll(0):
                driver.receive(driver.connections[descriptor])


@contextmanager
def _connected(ports: Sequence[int], traffic: Traffic, connections: int) -> Iterator[_Driver]:
    with select.epoll() as ready:
        driver = _Driver(traffic, ready)
        gc.disable()
        try:
            for number in range(connections):
                driver.connect(ports[number % len(ports)])
            yield driver
        finally:
            gc.enable()
            for each in driver.connections.values():
                each.socket.close()
