"""Settings: a wrong one stops the start and names itself, a secret one stays secret, and the page lists them all."""

from __future__ import annotations

import inspect
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from asyncpg.connect_utils import _parse_connect_dsn_and_args  # type: ignore[attr-defined]

from honeylink.errors import SettingsError
from honeylink.settings import Settings

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

PAGE = Path(__file__).parent.parent / "docs" / "settings.md"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith("HONEYLINK_")]:
        monkeypatch.delenv(name)


def error_of(monkeypatch: pytest.MonkeyPatch, **variables: str) -> str:
    """What the settings say about these variables."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    return str(caught.value)


def test_defaults_suit_a_first_start() -> None:
    settings = Settings.load()
    assert (settings.host, settings.port) == ("127.0.0.1", 8700)
    assert settings.database_dsn is None
    assert settings.kek_file == settings.data_dir / "kek.key"
    assert (settings.ttl_default_seconds, settings.ttl_max_seconds, settings.max_streams) == (3600, 43_200, 16)
    assert settings.device_pool_kbps == 100_000
    assert settings.max_body_bytes == 65_536


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HONEYLINK_PORT", "abc"),
        ("HONEYLINK_PORT", ""),
        ("HONEYLINK_PORT", "-1"),
        ("HONEYLINK_PORT", "65536"),
        ("HONEYLINK_PORT", "80.5"),
        ("HONEYLINK_TTL_MAX_SECONDS", "0"),
        ("HONEYLINK_MAX_STREAMS", "0"),
        ("HONEYLINK_DEVICE_POOL_KBPS", "-1"),
        ("HONEYLINK_NODE_POOL_KBPS", "lots"),
        ("HONEYLINK_MAX_BODY_BYTES", "10"),
        ("HONEYLINK_HEADER_TIMEOUT_SECONDS", "0"),
        ("HONEYLINK_HEADER_TIMEOUT_SECONDS", "nan"),
        ("HONEYLINK_BODY_TIMEOUT_SECONDS", "inf"),
        ("HONEYLINK_DATABASE_TIMEOUT_SECONDS", "-1"),
        ("HONEYLINK_LOG_LEVEL", "loud"),
        ("HONEYLINK_SESSION_ENDPOINT", "gateway.example"),
        ("HONEYLINK_SESSION_ENDPOINT", "quic://gateway.example"),
        ("HONEYLINK_SESSION_ENDPOINT", "quic://:7843"),
        ("HONEYLINK_SESSION_ENDPOINT", "quic://gateway.example:port"),
        ("HONEYLINK_SESSION_ENDPOINT", "quic://[::1:7843"),
        ("HONEYLINK_SESSION_ENDPOINT", ""),
        ("HONEYLINK_DATABASE_DSN", ""),
        ("HONEYLINK_DATABASE_DSN", "mysql://db.example/honeylink"),
        ("HONEYLINK_DATABASE_DSN", "postgresql://db.example:port/honeylink"),
        ("HONEYLINK_DATABASE_DSN", "postgresql://db.example:0/honeylink"),
        ("HONEYLINK_DATABASE_DSN", "postgresql://db.example:65536/honeylink"),
        ("HONEYLINK_DATABASE_DSN", "postgresql://db.example:5432:5433/honeylink"),
        ("HONEYLINK_DATABASE_DSN", "postgresql://db1.example:5432,db2.example:port/honeylink"),
        ("HONEYLINK_DATABASE_DSN", "postgresql://db1.example:5432,,db2.example/honeylink"),
        ("HONEYLINK_DATABASE_DSN", "postgresql://db1.example:5432,/honeylink"),
        ("HONEYLINK_DATABASE_DSN", "postgresql://db1.example,[::1/honeylink"),
        ("HONEYLINK_DATABASE_DSN", "postgresql://[::1]5432/honeylink"),
        ("HONEYLINK_FOO", "1"),
        ("HONEYLINK_PORTS", "1"),
    ],
)
def test_wrong_value_names_itself(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    assert name in error_of(monkeypatch, **{name: value})


@pytest.mark.parametrize(
    ("dsn", "addresses"),
    [
        ("postgresql://db.example", [("db.example", 5432)]),
        ("postgres://user:secret@db.example:5433/honeylink", [("db.example", 5433)]),
        ("postgresql://user@db1:5432,db2:5433/honeylink", [("db1", 5432), ("db2", 5433)]),
        ("postgresql://db1,db2:5433/honeylink?target_session_attrs=read-write", [("db1", 5432), ("db2", 5433)]),
        ("postgresql://user@[::1]:5433,[::2],db3:/honeylink", [("::1", 5433), ("::2", 5432), ("db3", 5432)]),
        ("postgresql://user@/honeylink?host=db1,db2&port=5432,5433", [("db1", 5432), ("db2", 5433)]),
        ("postgresql:///honeylink?host=/var/run/postgresql", ["/var/run/postgresql/.s.PGSQL.5432"]),
        ("postgresql://user@%2Fvar%2Frun/honeylink", ["/var/run/.s.PGSQL.5432"]),
    ],
)
def test_database_dsn_is_what_the_driver_takes(
    monkeypatch: pytest.MonkeyPatch, dsn: str, addresses: list[tuple[str, int] | str]
) -> None:
    monkeypatch.delenv("PGPORT", raising=False)
    database_dsn = Settings.load(database_dsn=dsn).database_dsn
    assert database_dsn is not None
    assert addresses_of(database_dsn.get_secret_value()) == addresses


def addresses_of(dsn: str) -> list[tuple[str, int] | str]:
    """The addresses that the driver finds in a DSN."""
    unnamed = dict.fromkeys(inspect.signature(_parse_connect_dsn_and_args).parameters)
    addresses, _ = _parse_connect_dsn_and_args(**{**unnamed, "dsn": dsn, "password": "none"})
    found: list[tuple[str, int] | str] = addresses
    return found


def test_all_wrong_values_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    message = error_of(monkeypatch, HONEYLINK_PORT="abc", HONEYLINK_MAX_STREAMS="many", HONEYLINK_LOG_LEVEL="loud")
    for name in ("HONEYLINK_PORT", "HONEYLINK_MAX_STREAMS", "HONEYLINK_LOG_LEVEL"):
        assert name in message


def test_default_life_above_the_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    message = error_of(monkeypatch, HONEYLINK_TTL_DEFAULT_SECONDS="100", HONEYLINK_TTL_MAX_SECONDS="99")
    assert "ttl_default_seconds" in message.lower()
    assert "ttl_max_seconds" in message.lower()


def test_a_node_pool_without_capacity(monkeypatch: pytest.MonkeyPatch) -> None:
    message = error_of(monkeypatch, HONEYLINK_NODE_POOL_PREEMPTION="true")
    assert "HONEYLINK_NODE_POOL_PREEMPTION: expected HONEYLINK_NODE_POOL_KBPS beside it, found none" in message


class TestFile:
    @pytest.fixture
    def file(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
        path = tmp_path / "honeylink.toml"
        monkeypatch.setenv("HONEYLINK_CONFIG_FILE", str(path))
        return path

    def test_precedence(self, monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
        """Command line over environment over file over default."""
        file.write_text('port = 1\nmax_streams = 2\nlog_level = "error"\n')
        monkeypatch.setenv("HONEYLINK_MAX_STREAMS", "3")
        monkeypatch.setenv("HONEYLINK_LOG_LEVEL", "warning")
        settings = Settings.load(log_level="debug", host=None)
        assert (settings.port, settings.max_streams, settings.log_level) == (1, 3, "debug")
        assert settings.host == "127.0.0.1"

    @pytest.mark.parametrize(
        ("content", "named"),
        [
            ("colour = 'red'", "COLOUR"),
            ("port = 'abc'", "HONEYLINK_PORT"),
            ("HONEYLINK_PORT = 1", "HONEYLINK_PORT"),
            ("[server]\nport = 1", "SERVER"),
            ("database_dsn = 5", "HONEYLINK_DATABASE_DSN"),
            ("port = ", "HONEYLINK_CONFIG_FILE"),
            ("port = 1\nport = 2", "HONEYLINK_CONFIG_FILE"),
        ],
    )
    def test_wrong_file(self, monkeypatch: pytest.MonkeyPatch, file: Path, content: str, named: str) -> None:
        file.write_text(content)
        assert named in error_of(monkeypatch)

    def test_unreadable_file(self, monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
        missing = error_of(monkeypatch)
        assert "HONEYLINK_CONFIG_FILE" in missing
        assert str(file) in missing
        file.mkdir()
        assert "HONEYLINK_CONFIG_FILE" in error_of(monkeypatch)
        file.rmdir()
        file.write_bytes(b"port = 1 # \xff")
        assert "HONEYLINK_CONFIG_FILE" in error_of(monkeypatch)

    def test_example_of_the_page(self, file: Path) -> None:
        [example] = re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
        file.write_text(example)
        settings = Settings.load()
        assert settings.database_dsn is not None
        assert settings.device_pool_kbps != Settings.model_fields["device_pool_kbps"].default


class TestPassword:
    def test_in_no_representation(self) -> None:
        settings = Settings.load(database_dsn="postgresql://user:hunter2@db.example/honeylink")
        for text in (repr(settings), str(settings), settings.model_dump_json(), f"{settings.database_dsn!r}"):
            assert "hunter2" not in text
        assert settings.database_dsn is not None
        assert "hunter2" in settings.database_dsn.get_secret_value()

    @pytest.mark.parametrize(
        "dsn",
        [
            "mysql://user:hunter2@db.example/honeylink",
            "postgresql://user:hunter2@db.example:hunter2/honeylink",
            "postgresql://user:hunter2@[::1/honeylink",
            "hunter2",
        ],
    )
    def test_in_no_error(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, dsn: str) -> None:
        assert "hunter2" not in error_of(monkeypatch, HONEYLINK_DATABASE_DSN=dsn)
        monkeypatch.delenv("HONEYLINK_DATABASE_DSN")
        file = tmp_path / "honeylink.toml"
        file.write_text(f"database_dsn = '{dsn}'")
        assert "hunter2" not in error_of(monkeypatch, HONEYLINK_CONFIG_FILE=str(file))


def test_page_lists_every_setting() -> None:
    rows = [f"| `HONEYLINK_{name.upper()}` | {default(field)} | {meaning(field)} |" for name, field in fields()]
    table = "\n".join(["| variable | default | meaning |", "|---|---|---|", *rows])
    assert table in PAGE.read_text(), f"expected this table in {PAGE.name}:\n\n{table}\n"


def fields() -> list[tuple[str, FieldInfo]]:
    return list(Settings.model_fields.items())


def default(field: FieldInfo) -> str:
    if field.default_factory is not None:
        return "`~/.local/share/honeylink`"
    return "unset" if field.default is None else f"`{field.default}`"


def meaning(field: FieldInfo) -> str:
    assert field.description
    return field.description
