"""The demonstration: a device's way to its session, over the same HTTP that any client would use."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from honeylink.api.devices.examples import DEVICE_BODY
from honeylink.api.sessions.examples import SESSION_BODY
from honeylink.domain.access import Role
from honeylink.errors import HoneyLinkError
from honeylink.fec import ReedSolomon

if TYPE_CHECKING:
    from rich.console import Console

    from honeylink.services.runtime import Services
    from honeylink.settings import Settings

_SHARD_BYTES = 1200  # what fits a datagram on nearly every path


async def demonstrate(out: Console, settings: Settings, services: Services, *, once: bool) -> None:
    """Show a session being opened; return then if `once`, else stay until cancelled."""
    base_url = f"http://{f'[{settings.host}]' if ':' in settings.host else settings.host}:{settings.port}"
    run = secrets.token_hex(4)
    operator = (await services.tenants.create_token("demo", Role.OPERATOR, f"quickstart-{run}")).encode()
    _step(out, f"serving on {base_url}")
    async with httpx.AsyncClient(base_url=base_url, timeout=10) as client:
        device_id = f"device-{run}"
        device = await _register_and_pair(out, client, operator, device_id)
        opened = await _open_session(out, client, device, device_id)
    _recover(out, opened["streams"][-1]["fec"])
    _suggest(out, base_url, device, operator, device_id)
    if not once:
        out.print("\n[bold]Serving until Ctrl-C.[/bold]")
        await asyncio.Event().wait()


async def _register_and_pair(out: Console, client: httpx.AsyncClient, operator: str, device_id: str) -> str:
    public_key = X25519PrivateKey.generate().public_key().public_bytes_raw()
    body = {
        **DEVICE_BODY,
        "device_id": device_id,
        "public_key": base64.urlsafe_b64encode(public_key).decode()[:-1],
    }
    registered = await _post(client, "/devices", operator, body)
    token: str = registered["device_token"]
    _step(out, f"registered {device_id}, pairing code {registered['pairing_code']}")
    await _post(client, f"/devices/{device_id}/pair", token, {"pairing_code": registered["pairing_code"]})
    _step(out, f"paired {device_id}")
    return token


async def _open_session(out: Console, client: httpx.AsyncClient, token: str, device_id: str) -> dict[str, Any]:
    body = {**SESSION_BODY, "device_id": device_id}
    out.print("\n[bold]POST /sessions[/bold]")
    out.print_json(data=body)
    response = await client.post("/sessions", json=body, headers=_bearer(token))
    answer = _checked(response)
    milliseconds = response.elapsed.total_seconds() * 1000
    out.print(f"\n[bold green]{response.status_code} {response.reason_phrase}[/bold green] in {milliseconds:.1f} ms")
    out.print(f"Location: {response.headers['location']}", soft_wrap=True)
    out.print_json(data=answer)
    return answer


def _recover(out: Console, fec: dict[str, int]) -> None:
    """Lose as many shards of a video group as its parity allows, and bring them back."""
    code = ReedSolomon(fec["data_shards"], fec["parity_shards"])
    total = code.data_shards + code.parity_shards
    shards = np.empty((total, _SHARD_BYTES), dtype=np.uint8)
    shards[: code.data_shards] = np.random.default_rng().integers(0, 256, (code.data_shards, _SHARD_BYTES), np.uint8)
    code.encode(shards[: code.data_shards], out=shards[code.data_shards :])
    sent = shards.copy()
    lost = sorted(np.random.default_rng().choice(total, code.parity_shards, replace=False).tolist())
    present = np.ones(total, dtype=bool)
    present[lost] = False
    shards[lost] = 0
    code.reconstruct(shards, present)
    if not np.array_equal(shards, sent):
        raise HoneyLinkError("expected the lost shards back, found other bytes; please report this")
    out.print()
    _step(
        out,
        f"video FEC {code.data_shards}+{code.parity_shards}: encoded {code.data_shards} shards of {_SHARD_BYTES} bytes,"
        f" lost shards {', '.join(map(str, lost))} of {total}, recovered all byte for byte",
    )


def _suggest(out: Console, base_url: str, device: str, operator: str, device_id: str) -> None:
    body = json.dumps({**SESSION_BODY, "device_id": device_id}, separators=(",", ":"))
    as_device = '-H "Authorization: Bearer $DEVICE_TOKEN"'
    as_operator = '-H "Authorization: Bearer $OPERATOR_TOKEN"'
    lines = (
        "\n[bold]Try it yourself[/bold]",
        f"export DEVICE_TOKEN={device}",
        f"export OPERATOR_TOKEN={operator}",
        f"curl -s {base_url}/sessions {as_device} -H 'Content-Type: application/json' -d '{body}'",
        f"curl -s {base_url}/sessions {as_device}",
        f"curl -s {base_url}/devices {as_operator}",
        f"# the API's documentation: {base_url}/docs",
    )
    for line in lines:
        # Whole lines, however wide the terminal: they are to be pasted. Braces and brackets are text here.
        out.print(line, soft_wrap=True, markup=line.startswith("\n"), highlight=False)


async def _post(client: httpx.AsyncClient, path: str, token: str, body: dict[str, Any]) -> dict[str, Any]:
    return _checked(await client.post(path, json=body, headers=_bearer(token)))


def _checked(response: httpx.Response) -> dict[str, Any]:
    answer: dict[str, Any] = response.json()
    if response.is_error:
        raise HoneyLinkError(f"{response.request.method} {response.url.path}: {answer.get('message', answer)}")
    return answer


def _bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def _step(out: Console, text: str) -> None:
    out.print(f"[green]✓[/green] {text}")
