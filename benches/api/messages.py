"""The requests that the benchmark sends, and what tells the answer that it expects."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from honeylink.api.sessions.examples import SESSION_BODY

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from benches.api.population import Device


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests to choose from at random."""

    requests: Sequence[bytes]
    status: bytes
    """Of the expected answer."""
    holds: bytes
    """What the expected answer's body holds."""


def creates(devices: Iterable[Device]) -> Traffic:
    """`POST /sessions` of each device."""
    return Traffic([_create(device) for device in devices], b"201", b'"key_material"')


def lists(operators: Iterable[str], limit: int) -> Traffic:
    """`GET /sessions` by each of these tokens, of a tenant that has a page of sessions."""
    heads = [f"GET /sessions?limit={limit} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {it}" for it in operators]
    return Traffic([f"{head}\r\n\r\n".encode() for head in heads], b"200", b'"next_cursor"')


def write_bodies(devices: Iterable[Device], path: Path) -> None:
    """Token and body of each device, a line each, for wrk's scripts."""
    path.write_text("".join(f"{device.token} {_body(device)}\n" for device in devices), encoding="utf-8")


def _body(device: Device) -> str:
    return json.dumps({**SESSION_BODY, "device_id": device.device_id}, separators=(",", ":"))


def _create(device: Device) -> bytes:
    body = _body(device).encode()
    head = (
        f"POST /sessions HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {device.token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
