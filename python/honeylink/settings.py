"""Settings: from `HONEYLINK_*` variables, then an optional TOML file, then the defaults below.

The file is named by `HONEYLINK_CONFIG_FILE`; its keys are the field names. `docs/settings.md` is made from this class.
"""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from honeylink.errors import SettingsError

_PREFIX = "HONEYLINK_"
_CONFIG_FILE = "HONEYLINK_CONFIG_FILE"
_MAX_KBPS = 10**12
_MAX_HOLD_MS = 31_536_000_000  # a year, as the longest life of a session
_MAX_PORT = 65535
_POSTGRESQL_PORT = 5432
_HOST = re.compile(r"(?:\[[^\]]+\]|[^:\[\]]*)(?::(?P<port>[0-9]*))?")


def _endpoint(value: str) -> str:
    parts = urlsplit(value)
    if not parts.scheme or not parts.hostname or parts.port is None:
        raise ValueError("expected a URL with scheme, host and port, such as quic://gateway.example:7843")
    return value


def _dsn(value: SecretStr) -> SecretStr:
    try:
        parts = urlsplit(value.get_secret_value())
    except ValueError:
        valid = False
    else:
        # As the driver reads it: the user up to the first @, then nothing or hosts with commas between them.
        hosts = parts.netloc.partition("@")[2] if "@" in parts.netloc else parts.netloc
        valid = parts.scheme in {"postgres", "postgresql"} and (not hosts or all(map(_is_host, hosts.split(","))))
    if not valid:
        raise ValueError("expected a URL such as postgresql://user@host:5432/database, or host1:5432,host2:5432 in it")
    return value


def _is_host(text: str) -> bool:
    match = _HOST.fullmatch(text)
    return bool(text) and match is not None and 0 < int(match["port"] or _POSTGRESQL_PORT) <= _MAX_PORT


def _default_data_dir() -> Path:
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "honeylink"


class Settings(BaseSettings):
    """All that an operator can set. Read once, at the start; frozen after.

    Example:
        >>> Settings(port=8701).port
        8701
    """

    model_config = SettingsConfigDict(env_prefix=_PREFIX, frozen=True, extra="forbid", hide_input_in_errors=True)

    database_dsn: Annotated[SecretStr, AfterValidator(_dsn)] | None = Field(
        None,
        description="PostgreSQL 15 or later, `postgresql://…`. Unset: the embedded database in the data directory.",
    )
    database_role: str = Field(
        "honeylink_app",
        description="Role that connections take on, with the least rights. Empty: the DSN's user (behind PgBouncer).",
    )
    database_pool_size: int = Field(10, ge=1, le=1000, description="Connections that one process holds at most.")
    database_timeout_seconds: float = Field(
        1.5,
        gt=0,
        le=60,
        description="How long a request waits for the database and key providers in all before it answers 503.",
    )
    data_dir: Path = Field(
        default_factory=_default_data_dir, description="Where the key file and the embedded database live."
    )
    key_provider: Literal["local"] = Field(
        "local",
        description="Kind of key provider that wraps new keys. Other kinds are open beside it if settings of theirs "
        "are given, for the keys that they have wrapped.",
    )
    key_file: Path | None = Field(
        None,
        description="Key-encryption key of the local key provider. Unset: `kek.key` in the data directory.",
    )
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8700, ge=0, le=_MAX_PORT, description="Port to listen on; 0 takes a free one.")
    session_endpoint: Annotated[str, AfterValidator(_endpoint)] = Field(
        "quic://127.0.0.1:7843", description="Where devices send their streams; part of each answer."
    )
    ttl_default_seconds: int = Field(3600, ge=1, description="A session's life when the request names none.")
    ttl_max_seconds: int = Field(43200, ge=1, le=31_536_000, description="The longest life that a request may name.")
    max_streams: int = Field(16, ge=1, le=255, description="Streams that one session may have.")
    device_pool_kbps: int = Field(
        100_000,
        ge=0,
        le=_MAX_KBPS,
        description="Capacity of a device's pool unless its registration names another.",
    )
    tenant_pool_kbps: int = Field(
        10_000_000,
        ge=0,
        le=_MAX_KBPS,
        description="Capacity of a tenant's pool, given when the tenant is made.",
    )
    node_pool_kbps: int | None = Field(
        None,
        ge=0,
        le=_MAX_KBPS,
        description="Capacity of the pool shared by all tenants, set when `honeylink serve` starts. If less than is "
        "reserved, no session is admitted until enough have ended. Unset: as it is; at first there is none.",
    )
    node_pool_charge: Literal["payload", "wire"] = Field(
        "payload",
        description="What a stream costs that pool: what it carries, or what it sends, its parity too. This and the "
        "next two need the capacity beside them.",
    )
    node_pool_preemption: bool = Field(
        False, description="Whether sessions may lose bandwidth of that pool to stronger ones."
    )
    node_pool_min_hold_ms: int = Field(
        0, ge=0, le=_MAX_HOLD_MS, description="For how long after its opening a session can't."
    )
    device_priority_max: int = Field(
        0,
        ge=0,
        le=1000,
        description="Greatest `setup_priority` and `hold_priority` that a device's own token may use; 0: it takes from "
        "nobody.",
    )
    max_body_bytes: int = Field(65_536, ge=1024, le=16_777_216, description="Longest request body.")
    header_timeout_seconds: float = Field(
        5, gt=0, le=300, description="How long a client may take to send its headers."
    )
    body_timeout_seconds: float = Field(5, gt=0, le=300, description="How long a client may take to send its body.")
    write_timeout_seconds: float = Field(
        30, gt=0, le=300, description="How long a client may take no more of its answers before it is cut off."
    )
    rate_limit_per_second: int = Field(
        1000,
        ge=0,
        le=1_000_000,
        description="Requests per second, token and process, in bursts of as many; 0: no limit.",
    )
    max_opening_sessions: int = Field(
        128,
        ge=1,
        le=100_000,
        description="Sessions in the course of opening, in a process; one more is answered 503 at once. "
        "Under overload the process finds a lower limit itself.",
    )
    expiry_interval_seconds: float = Field(1, gt=0, le=3600, description="How often sessions past their end are swept.")
    workers: int = Field(
        1, ge=1, le=32, description="Processes that `honeylink serve` runs behind one port; at most one for each core."
    )
    shutdown_timeout_seconds: int = Field(
        30,
        ge=1,
        le=30,
        description="How long after a signal to stop the process is gone, at the latest. Requests in flight have what "
        "the embedded database does not need of it.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severity that is logged."
    )

    @model_validator(mode="after")
    def _ttl_order(self) -> Settings:
        if self.ttl_default_seconds > self.ttl_max_seconds:
            raise ValueError(f"{_PREFIX}TTL_DEFAULT_SECONDS: expected at most {_PREFIX}TTL_MAX_SECONDS")
        return self

    @model_validator(mode="after")
    def _node_pool_has_capacity(self) -> Settings:
        extra = sorted(self.model_fields_set & {"node_pool_charge", "node_pool_preemption", "node_pool_min_hold_ms"})
        if extra and self.node_pool_kbps is None:
            raise ValueError(f"{_PREFIX}{extra[0].upper()}: expected {_PREFIX}NODE_POOL_KBPS beside it, found none")
        return self

    @property
    def kek_file(self) -> Path:
        """The key file in use."""
        return self.key_file if self.key_file is not None else self.data_dir / "kek.key"

    def on_database(self, dsn: str) -> Settings:
        """The same settings, on a database that somebody else takes care of."""
        return self.model_copy(update={"database_dsn": SecretStr(dsn)})

    @property
    def database_stop_seconds(self) -> int:
        """How much of a stop is kept for what follows the requests: most for the embedded database, if there is one."""
        return -(-self.shutdown_timeout_seconds // (3 if self.database_dsn is None else 10))

    @property
    def drain_timeout_seconds(self) -> int:
        """How long a stopping server finishes requests."""
        return self.shutdown_timeout_seconds - self.database_stop_seconds

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments over environment over file."""
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, _TomlFile(settings_cls)

    @classmethod
    def load(cls, **overrides: object) -> Settings:
        """Read the settings; `overrides` (from a command line) win, those that are None are left out.

        Raises:
            SettingsError: names each wrong setting, what was expected, and each `HONEYLINK_*` variable that is none.
        """
        unknown = sorted(name for name in os.environ if name.startswith(_PREFIX) and not _is_known(name, cls))
        if unknown:
            raise SettingsError(f"unknown setting {', '.join(unknown)}; see docs/settings.md for those there are")
        try:
            return cls(**{name: value for name, value in overrides.items() if value is not None})  # type: ignore[arg-type]
        except ValidationError as error:
            faults = [_describe(fault["loc"], fault["msg"]) for fault in error.errors()]
            raise SettingsError("; ".join(faults)) from None


class _TomlFile(PydanticBaseSettingsSource):
    """The file that `HONEYLINK_CONFIG_FILE` names, if it names one."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:  # noqa: ANN401 - pydantic's signature
        raise NotImplementedError  # pragma: no cover - __call__ reads all fields at once

    def __call__(self) -> dict[str, Any]:
        path = os.environ.get(_CONFIG_FILE)
        if not path:
            return {}
        try:
            return tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise SettingsError(f"{_CONFIG_FILE}: expected a readable TOML file at {path}, found: {error}") from None


def _is_known(variable: str, settings: type[Settings]) -> bool:
    return variable == _CONFIG_FILE or variable.removeprefix(_PREFIX).lower() in settings.model_fields


def _describe(location: tuple[int | str, ...], message: str) -> str:
    message = message.removeprefix("Value error, ")
    if not location:
        return message
    return f"{_PREFIX}{str(location[0]).upper()}: {message}"
