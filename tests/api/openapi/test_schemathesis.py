"""Schemathesis against the running service: what the document promises, under requests that nobody thought of.

It runs with all checks and its stateful phase, without randomness: the same requests each time.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from honeylink.api.endpoints import ENDPOINTS
from honeylink.api.openapi.document import openapi_document
from honeylink.domain.access import Role
from tests.conftest import run_service, session_body

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from honeylink.settings import Settings
    from tests.conftest import Device, Service

# What its console script does; the package has no __main__.
SCHEMATHESIS = (sys.executable, "-c", "import sys; from schemathesis.cli import schemathesis; sys.exit(schemathesis())")
HOOKS = Path(__file__).with_name("schemathesis_hooks.py")
CONFIG = f"""
hooks = "{HOOKS}"
continue-on-failure = true

[generation]
deterministic = true
no-shrink = true
max-examples = 60

[phases.stateful]
max-steps = 8
generation.max-examples = 100

[checks]
enabled = true
# An ended session stays readable, which its document says: DELETE ends it, it does not take the record away.
use_after_free.enabled = false

[warnings]
# Left out: missing_auth. A device pairs itself with its own token, so most made-up pairings are rightly refused.
fail-on = ["missing_test_data", "validation_mismatch", "unsupported_regex", "method_not_allowed", "base_url_mismatch"]
"""


@pytest.fixture(scope="module")
def unlimited(make_settings: Callable[..., Settings]) -> Iterator[Service]:
    with run_service(make_settings(rate_limit_per_second=0, tenant_pool_kbps=10**12)) as running:
        yield running


@pytest.fixture(scope="module")
def device(unlimited: Service) -> Device:
    return unlimited.new_device(pool_kbps=10**9)


@pytest.fixture(scope="module")
def cursor(unlimited: Service, device: Device) -> str:
    """A cursor that every list takes."""
    with unlimited.client() as client:
        for _ in range(2):
            assert client.post("/sessions", json=session_body(device, 1)).status_code == 201
        page = client.get("/sessions", params={"limit": 1}).json()
    assert isinstance(page["next_cursor"], str)
    return page["next_cursor"]


def test_document_holds(unlimited: Service, device: Device, cursor: str, tmp_path: Path) -> None:
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG)
    environment = {
        **os.environ,
        "TOKEN_OPERATOR": unlimited.operator,
        "TOKEN_AUDITOR": unlimited.token(Role.AUDITOR),
        "TOKEN_ADMIN": unlimited.token(Role.ADMIN),
        "TOKEN_DEVICE": device.token,
        "PAIRED_DEVICE_ID": device.device_id,
        "CURSOR": cursor,
    }
    before = successes(unlimited)
    run = subprocess.run(
        [*SCHEMATHESIS, "--config-file", str(config), "run", f"{unlimited.url}/openapi.json", "--no-color"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    after = successes(unlimited)

    # Every operation has been seen to succeed, or the checks would have looked at refusals only.
    operations = {
        (method.upper(), path)
        for path, methods in openapi_document(ENDPOINTS, unlimited.settings)["paths"].items()
        for method in methods
    }
    assert {operation for operation in operations if after.get(operation, 0) == before.get(operation, 0)} == set()
    assert after["POST", "/sessions"] >= before["POST", "/sessions"] + 5


def successes(service: Service) -> dict[tuple[str, str], int]:
    """How often each operation has answered 2xx, by the service's own metrics."""
    counted: dict[tuple[str, str], int] = {}
    sample = re.compile(r'honeylink_http_requests_total\{method="(\w+)",route="([^"]+)",status="2\d\d"\} (\S+)')
    for method, route, count in sample.findall(httpx.get(f"{service.url}/metrics").text):
        counted[method, route] = counted.get((method, route), 0) + int(float(count))
    return counted
