"""Files and process of the embedded PostgreSQL cluster; `embedded` decides when, this module does.

Every method may block, so `embedded` calls them in threads. A thread can't be cancelled: the mutex and
`_closed` make sure that one that comes late neither starts a server nor outlives the lock.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from honeylink.store._guard import Guard
from honeylink.store._programs import ENVIRONMENT, VERSION, Account, DatabaseStartError, bin_dir, run

if TYPE_CHECKING:
    from collections.abc import Iterator

PORT: Final = 5432  # part of the socket's file name only: nothing listens on TCP
_log = structlog.get_logger(__name__)

# sun_path is 104 bytes on macOS and 108 on Linux, the final NUL included.
_SOCKET_PATH_BYTES_MAX: Final = 103
_LOG_BYTES_MAX: Final = 16 << 20
_STOP_SECONDS: Final = 10

_OPTIONS: Final = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    # For as many workers as the settings allow, with as many connections as they have by default, and some more.
    "max_connections": "400",
    "fsync": "on",
    "synchronous_commit": "on",
    # Nothing replicates from an embedded database: leaving out what replicas need makes less WAL.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    # A checkpoint makes the first change of each page cost a whole page of WAL again: under load, seldom enough.
    "max_wal_size": "4GB",
    # Our statements take under a millisecond; compiling one takes tens, whenever an estimate is off.
    "jit": "off",
    # Our statements find rows by index, whatever the statistics are. The default has a young database sort 30,000 rows
    # of each table a minute, a second of CPU in which every session waits.
    "default_statistics_target": "10",
    "log_destination": "stderr",
    "logging_collector": "off",
}


# The builtin locale sorts by code point, everywhere the same: no update of a libc spoils an index.
_INITDB: Final = (
    "--username=postgres",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--auth-local=trust",
    "--auth-host=reject",
    "--no-instructions",
    "--wal-segsize=4",
)


class Cluster:
    """One data directory: its lock, its files, and the server this process runs in it."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.resolve()
        self.path = self.data_dir / "postgres"
        self.log = self.data_dir / "postgres.log"
        self.lock = self.data_dir / "postgres.lock"
        self.socket_dir = _socket_dir(self.path)
        self._server: subprocess.Popen[bytes] | None = None
        self._guard: Guard | None = None
        self._log_start_bytes = 0
        self._lock_fd: int | None = None
        self._closed = False
        self._mutex = threading.Lock()

    def acquire(self) -> bool:
        """Make this process the owner of the data directory; False while another one is."""
        import fcntl

        with self._while_open():
            if self._lock_fd is not None:
                return True
            descriptor = self._open(self.lock, os.O_RDWR)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return False
            self._lock_fd = descriptor
            return True

    def adopt_socket(self) -> None:
        """Use the socket of the owner's server: its temporary directory may be another one than ours."""
        _, socket_dir = self._recorded()
        self.socket_dir = socket_dir or self.socket_dir

    def prepare(self) -> None:
        """Make the cluster if there is none. Not for a restart: one that vanished is not to be replaced."""
        with self._while_open():
            version = self.path / "PG_VERSION"
            if not self.path.exists():
                self._init(bin_dir(), Account.owning(self.data_dir))
            if (found := version.read_text().strip() if version.exists() else "none") != str(VERSION):
                raise DatabaseStartError(
                    f"a cluster of PostgreSQL {VERSION} in {self.path}",
                    f"version {found}",
                    "move it away, or dump it with its own version and load the dump into a new one",
                )

    def spawn(self) -> None:
        """Start the server as a child that does not outlive us, after ending one that a killed owner left behind."""
        with self._while_open():
            if self.alive():
                return
            self._release_guard()
            programs, account = bin_dir(), Account.owning(self.path, self.data_dir)
            account.grant_access(self.path, programs)
            account.own_tree(self.path)
            self._end_orphan(programs, account)
            _make_socket_dir(self.socket_dir, self.path, account)
            if self.log.exists() and self.log.stat().st_size > _LOG_BYTES_MAX:
                self.log.replace(self.log.with_suffix(".log.1"))
            log = self._open(self.log, os.O_WRONLY | os.O_APPEND)
            try:
                self._log_start_bytes = os.fstat(log).st_size
                self._guard = Guard(account)
                # Its own session: Ctrl-C in a terminal must reach us first, so that requests can finish.
                self._server = subprocess.Popen(  # noqa: S603 -- the words are ours
                    self._guard.command(self._command(programs)),
                    stdin=self._guard.stdin,
                    stdout=log,
                    stderr=log,
                    cwd="/",
                    env=ENVIRONMENT,
                    start_new_session=True,
                    **account.popen(),
                )
            finally:
                os.close(log)
            _log.info("database.start", pid=self._server.pid, log=str(self.log))

    def _command(self, programs: Path) -> list[str]:
        # Quoted: the option is a list of directories.
        place = ["-D", str(self.path), "-k", f'"{self.socket_dir}"', "-p", str(PORT)]
        options = (word for name, value in _OPTIONS.items() for word in ("-c", f"{name}={value}"))
        return [str(programs / "postgres"), *place, *options]

    def alive(self) -> bool:
        return self._server is not None and self._server.poll() is None

    def exit_status(self) -> int | None:
        return None if self._server is None else self._server.poll()

    def log_tail(self) -> str:
        """End of what the server logged since it was last started."""
        with self.log.open("rb") as log:
            log.seek(max(self._log_start_bytes, self.log.stat().st_size - 2000))
            return log.read().decode(errors="replace").strip() or "no word in its log"

    def close(self, patience_seconds: float = _STOP_SECONDS) -> None:
        """End the server and give the lock back; nothing can be started through this object any more."""
        with self._mutex:
            self._closed = True
            if self._server is not None:
                _end(self._server, patience_seconds)
                if self.socket_dir != self.path:
                    with contextlib.suppress(OSError):
                        self.socket_dir.rmdir()
            self._release_guard()
            if self._lock_fd is not None:
                os.close(self._lock_fd)
                self._lock_fd = None

    def release_guard(self) -> None:
        """Let the guard go if its server has ended: the process id may be another's from now on."""
        with self._mutex:
            if not self.alive():
                self._release_guard()

    def _release_guard(self) -> None:
        if self._guard is not None:
            self._guard.release()
            self._guard = None

    @contextlib.contextmanager
    def _while_open(self) -> Iterator[None]:
        with self._mutex:
            if self._closed:
                raise DatabaseStartError("a database in use", "one that was stopped", "start it again")
            yield

    def _open(self, path: Path, flags: int) -> int:
        try:
            if path == self.lock:
                self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(path, flags | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except PermissionError as error:
            raise DatabaseStartError(
                f"to write {path}",
                "no permission",
                f"run as the owner of {self.data_dir} or choose another data directory",
            ) from error
        if os.geteuid() == 0:
            # Root once, the owner of the directory next time: he must still be able to.
            owner = self.data_dir.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        return descriptor

    def _init(self, programs: Path, account: Account) -> None:
        _log.info("database.init", path=str(self.path))
        # Next to its place and then renamed, so that a cluster is either complete or absent.
        unfinished = self.path.with_name("postgres.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        account.own(unfinished)
        account.grant_access(self.path, programs)
        run([programs / "initdb", "-D", unfinished, *_INITDB], account)
        unfinished.rename(self.path)
        directory = os.open(self.data_dir, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)

    def _recorded(self) -> tuple[int | None, Path | None]:
        """Process id and socket directory of the server that runs in the cluster, or that last did."""
        try:
            lines = (self.path / "postmaster.pid").read_text().splitlines()
            return int(lines[0]), Path(lines[4]) if len(lines) > 4 and lines[4] else None
        except (FileNotFoundError, IndexError, ValueError):
            return None, None

    def _end_orphan(self, programs: Path, account: Account) -> None:
        pid, socket_dir = self._recorded()
        if pid is None:
            return
        if _listens(socket_dir or self.socket_dir):
            _log.warning("database.orphan", pid=pid)
            for mode in ("fast", "immediate"):
                with contextlib.suppress(DatabaseStartError):
                    run(
                        [programs / "pg_ctl", "stop", "-D", self.path, "-m", mode, "-t", str(_STOP_SECONDS)],
                        account,
                    )
                    return
        elif (name := Path(f"/proc/{pid}/comm")).exists() and name.read_text().strip() != "postgres":
            # After a reboot, and often in containers, another process has the id and PostgreSQL would refuse
            # to start. Its parent's id it takes for stale. The rest, that leads to living backends, stays.
            record = self.path / "postmaster.pid"
            record.write_text(record.read_text().replace(str(pid), str(os.getpid()), 1))


def _socket_dir(cluster: Path) -> Path:
    """The cluster itself, which only its account may enter; a short private directory if that is long."""
    # asyncpg takes a comma for the end of a host.
    if len(os.fsencode(cluster / f".s.PGSQL.{PORT}")) <= _SOCKET_PATH_BYTES_MAX and "," not in str(cluster):
        return cluster
    digest = hashlib.sha256(os.fsencode(cluster)).hexdigest()
    return Path(tempfile.gettempdir()).resolve() / f"honeylink-{digest[:16]}"


def _make_socket_dir(path: Path, cluster: Path, account: Account) -> None:
    if path == cluster:
        return
    try:
        path.mkdir(mode=0o700)
        account.own(path)
    except FileExistsError:
        # Whoever made a directory of that name first would have access to a database without passwords.
        status, uid = path.lstat(), os.geteuid() if account.uid is None else account.uid
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != uid or status.st_mode & 0o077:
            raise DatabaseStartError(
                f"{path} to be a directory of uid {uid} with mode 0700",
                f"uid {status.st_uid}, {stat.filemode(status.st_mode)}",
                "remove it, or choose a data directory with a shorter path",
            ) from None


def _listens(socket_dir: Path) -> bool:
    """Whether a server lives: its process id may be another's by now, its socket can't."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(socket_dir / f".s.PGSQL.{PORT}"))
        except OSError:
            return False
        return True


def _end(server: subprocess.Popen[bytes], patience_seconds: float) -> None:
    # Fast, immediate, by force: the second leaves recovery to the next start, the last some backends as well.
    for signal_number, share in ((signal.SIGINT, 0.7), (signal.SIGQUIT, 0.15), (signal.SIGKILL, 0.1)):
        if server.poll() is not None:
            return
        server.send_signal(signal_number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(share * patience_seconds)
