"""Clients that keep the service busy: wrk in closed loop, and a driver of our own with a fixed schedule.

The driver is one thread over plain sockets. Event loops of Python round their timers to a millisecond, which is a whole
request here; `select` does not.
"""

from __future__ import annotations

import json
import random
import re
import select
import shutil
import socket
import subprocess
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benches.api.results import Load
from honeylink.api.examples import SESSION_BODY

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benches.api.population import Device

WRK = shutil.which("wrk")
_PATIENCE_SECONDS = 10

_LUA = """
local requests = {}
for line in io.lines("@REQUESTS@") do
  local token, body = line:match("^(%S+) (.*)$")
  requests[#requests + 1] = {token, body}
end
created, others = 0, ""
local threads = {}
function setup(thread) threads[#threads + 1] = thread end
function init(args)
  math.randomseed(@SEED@)
  for i, each in ipairs(requests) do
    local headers = {["Authorization"] = "Bearer " .. each[1], ["Content-Type"] = "application/json"}
    requests[i] = wrk.format("POST", "/sessions", headers, each[2])
  end
end
function request() return requests[math.random(#requests)] end
function response(status, headers, body)
  if status == 201 and body:find('"key_material"', 1, true) then created = created + 1
  else others = others .. " " .. status end
end
function done(summary, latency, requests)
  for _, thread in ipairs(threads) do
    print("created " .. thread:get("created"))
    print("others" .. thread:get("others"))
  end
  local errors = summary.errors
  print("seconds " .. summary.duration / 1e6)
  print("broken " .. errors.connect + errors.read + errors.write + errors.timeout)
  for i = 1, #latency do
    local us, count = latency(i)
    print("latency " .. us .. " " .. count)
  end
end
"""


def closed_loop(
    ports: Sequence[int], devices: Sequence[Device], work_dir: Path, *, connections: int, seconds: float
) -> Load:
    """Keep `connections` busy, split between the ports; each request is of a random device."""
    if WRK is None:
        return drive(ports, devices, connections=connections, seconds=seconds, per_second=None)
    requests = work_dir / "requests.txt"
    requests.write_text("".join(f"{device.token} {_body(device)}\n" for device in devices), encoding="utf-8")
    running = []
    for number, port in enumerate(ports):
        script = work_dir / f"load-{number}.lua"
        lua = _LUA.replace("@REQUESTS@", str(requests)).replace("@SEED@", str(random.randrange(2**31)))
        script.write_text(lua, encoding="utf-8")
        command = [WRK, "--threads=1", f"--connections={connections // len(ports)}", f"--duration={round(seconds)}s"]
        command += ["--timeout=10s", f"--script={script}", f"http://127.0.0.1:{port}"]
        running.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
    load = Load()
    try:
        for process in running:
            output, _ = process.communicate(timeout=seconds + 60)
            load.add_beside(_parse(output))
    finally:
        for process in running:
            process.kill()
            process.wait()
    return load


def _parse(output: str) -> Load:
    def numbers(word: str) -> list[str]:
        return re.findall(rf"^{word} (.+)$", output, re.MULTILINE)

    if not numbers("seconds"):
        raise RuntimeError(f"expected wrk to run, found: {output[-2000:]}")
    load = Load(int(float(numbers("created")[0])), float(numbers("seconds")[0]))
    load.others.update(status for statuses in numbers("others") for status in statuses.split())
    load.others["broken connection"] = int(float(numbers("broken")[0]))
    load.others = +load.others
    for pair in numbers("latency"):
        latency_us, count = pair.split()
        load.latencies_us[int(float(latency_us))] += int(float(count))
    return load


@dataclass(slots=True, eq=False)
class _Connection:
    socket: socket.socket
    due: float = 0.0
    received: bytearray = field(default_factory=bytearray)


def drive(
    ports: Sequence[int], devices: Sequence[Device], *, connections: int, seconds: float, per_second: float | None
) -> Load:
    """Send requests at a fixed rate, or as fast as they are answered if `per_second` is None.

    At a fixed rate a latency counts from the moment when the request was due, whether a connection was free or not.
    """
    requests = [_request(device) for device in devices]
    every = [_Connection(socket.create_connection(("127.0.0.1", ports[i % len(ports)]))) for i in range(connections)]
    for each in every:
        each.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    by_socket = {each.socket: each for each in every}
    idle, busy = deque(every), set[socket.socket]()
    load, sent = Load(), 0
    started = time.perf_counter()
    ends = started + seconds
    try:
        while (now := time.perf_counter()) < ends or (busy and now < ends + _PATIENCE_SECONDS):
            while idle and now < ends:
                due = now if per_second is None else started + sent / per_second
                if due > now or due >= ends:
                    break
                connection = idle.popleft()
                connection.due = due
                connection.socket.sendall(random.choice(requests))
                busy.add(connection.socket)
                sent += 1
            next_due = ends if per_second is None else min(started + sent / per_second, ends)
            wait = _PATIENCE_SECONDS if now >= ends else max(next_due - time.perf_counter(), 0) if idle else 1.0
            for ready in select.select(list(busy), [], [], wait)[0]:
                connection = by_socket[ready]
                if _receive(connection, load):
                    busy.discard(ready)
                    idle.append(connection)
    finally:
        for each in every:
            each.socket.close()
    load.seconds = max(time.perf_counter() - started, seconds)
    load.others["no answer"] = len(busy)
    if per_second is not None:
        load.others["never sent"] = int(seconds * per_second) - sent
    load.others = +load.others
    return load


def _receive(connection: _Connection, load: Load) -> bool:
    """Read what is there; whether that completes an answer."""
    chunk = connection.socket.recv(65536)
    if not chunk:
        raise RuntimeError("expected the connection to stay open, found it closed by the server")
    connection.received += chunk
    head, separator, body = bytes(connection.received).partition(b"\r\n\r\n")
    if not separator:
        return False
    length = re.search(rb"\ncontent-length: *([0-9]+)", head, re.IGNORECASE)
    if length is None:
        raise RuntimeError(f"expected a content-length, found {head!r}")
    if len(body) < int(length[1]):
        return False
    if head[9:12] == b"201" and b'"key_material"' in body:
        load.created += 1
        load.latencies_us[round((time.perf_counter() - connection.due) * 1e6)] += 1
    else:
        load.others[head[9:12].decode()] += 1
    connection.received.clear()
    return True


def _body(device: Device) -> str:
    return json.dumps({**SESSION_BODY, "device_id": device.device_id}, separators=(",", ":"))


def _request(device: Device) -> bytes:
    body = _body(device).encode()
    head = (
        f"POST /sessions HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {device.token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
