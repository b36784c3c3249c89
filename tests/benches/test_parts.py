"""Which part a sampled stack counts for."""

import re
from pathlib import Path

import pytest

from benches.api.parts import LOOP, RULES, part_of, shares

ROOT = Path(__file__).parents[2]
SERVER = "<module> (<string>:1);main (honeylink/cli/__init__.py:29);Runner.run (asyncio/runners.py:118)"
CYCLE = (
    f"{SERVER};Exchange.run (honeylink/api/connection/exchange.py:167)"
    ";Observability.__call__ (honeylink/api/http/observability.py:70);Router.app (starlette/routing.py:704)"
)
SERVE = f"{CYCLE};Endpoint.serve (honeylink/api/http/endpoint.py:100)"
GROUP = f"{SERVER};Opening._try_group (honeylink/services/opening.py:170)"


@pytest.mark.parametrize(
    ("stack", "part"),
    [
        (f"{SERVE};read_body (honeylink/api/http/body.py:80);JSONDecoder.decode (json/decoder.py:337)", "parse"),
        (f"{SERVE};BaseModel.model_validate (pydantic/main.py:700)", "parse"),
        (f"{SERVE};Access.authenticate (honeylink/services/access.py:50);wraps (functools.py:1)", "auth"),
        (f"{GROUP};find_session_contexts (honeylink/store/sessions.py:90);fetch (asyncpg/connection.py:1)", "snapshot"),
        (f"{GROUP};decide (honeylink/domain/admission.py:70);decide.<locals>.<genexpr> (enum.py:5)", "decide"),
        (f"{GROUP};Keyring.session_keys (honeylink/keys/keyring.py:60)", "keys"),
        (f"{GROUP};create_sessions (honeylink/store/sessions.py:200);_do_execute (asyncpg/connection.py:1)", "commit"),
        (f"{GROUP};Database.work (honeylink/store/database.py:175);timeout (asyncio/timeouts.py:145)", "commit"),
        (f"{GROUP};uuid7 (uuid_utils/compat/__init__.py:9)", "grouping"),
        (f"{SERVE};Limit.enter (honeylink/services/limit_of_tomorrow.py:1)", "grouping"),
        (f"{SERVE};BaseModel.model_dump_json (pydantic/main.py:500)", "render"),
        (f"{CYCLE};start_as_current_span (trace/__init__.py:400)", "observing"),
        (f"{SERVE};info (structlog/_native.py:140);StreamHandler.emit (logging/__init__.py:1110)", "observing"),
        (CYCLE, "HTTP server and framework"),
        (SERVE, "HTTP server and framework"),
        (SERVER, LOOP),
        (f"{SERVER};_worker (concurrent/futures/thread.py:81)", None),
        ("_bootstrap (threading.py:1002);Condition.wait (threading.py:320);wait (threading.py:320)", None),
    ],
)
def test_innermost_frame_with_a_rule_decides(stack: str, part: str | None) -> None:
    assert part_of(stack) == part


def test_shares_are_of_what_did_not_wait() -> None:
    found = shares([f"{SERVER} 1", f"{CYCLE} 3", f"{SERVER};_worker (concurrent/futures/thread.py:81) 96"])

    assert found["HTTP server and framework"] == 0.75
    assert found[LOOP] == 0.25
    assert sum(found.values()) == 1
    assert list(found) == [*RULES, LOOP]


def test_no_samples_have_no_shares() -> None:
    assert shares([]) == {}


def test_modules_that_rules_name_exist() -> None:
    """Else a module that moved would silently count for another part."""
    rules = " ".join(rule for rules in RULES.values() for rule in rules)
    named = set()
    for path, names in re.findall(r"honeylink/(\w+/)?\(?([\w|/]+)\)?\\\.py", rules):
        named |= {f"{path}{name}.py" for name in names.split("|")}
    sources = {str(path.relative_to(ROOT / "python/honeylink")) for path in ROOT.glob("python/honeylink/**/*.py")}

    assert len(named) > 10
    assert not named - sources


def test_functions_that_rules_name_exist() -> None:
    store = (ROOT / "python/honeylink/store/sessions.py").read_text(encoding="utf-8")

    assert "def find_session_contexts(" in store
    assert "def create_sessions(" in store
