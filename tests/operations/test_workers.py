"""Several workers behind one socket: they serve as one, end as one, and one's death costs nothing but itself."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from honeylink.cli.serving.totals import sum_expositions
from tests.conftest import PUBLIC_KEY, session_body
from tests.operations.processes import Served, eventually, honeylink, is_refused, new_device, new_token, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, new_database: Callable[[], str]) -> Iterator[Served]:
    """Two workers on a database of one's own, for the tests that leave them serving."""
    with two_workers(tmp_path_factory.mktemp("workers"), database_dsn=new_database()) as running:
        yield running


@contextmanager
def two_workers(directory: Path, **settings: object) -> Iterator[Served]:
    with serving(directory, **{"data_dir": directory / "data", "workers": 2, **settings}) as running:
        eventually(lambda: len(workers_of(running)) == 2, "both workers to serve")
        yield running


def workers_of(served: Served) -> dict[int, psutil.Process]:
    """The living workers that have begun to serve, by number."""
    begun = {line["worker"]: line["pid"] for line in served.log() if line["event"] == "serving"}
    children = {child.pid: child for child in psutil.Process(served.pid).children()}
    return {number: children[pid] for number, pid in begun.items() if pid in children and not is_gone(children[pid])}


def is_gone(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def scrape(served: Served) -> dict[tuple[str, ...], float]:
    """Each counter's value; None of them may ever fall."""
    text = httpx.get(f"{served.url}/metrics", timeout=30).raise_for_status().text
    return {
        (sample.name, *map(str, sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        if family.type == "counter"
        for sample in family.samples
    }


def answered(served: Served, path: str) -> float:
    name, labels = "honeylink_http_requests_total", [("method", "GET"), ("route", path), ("status", "200")]
    return scrape(served).get((name, *map(str, labels)), 0)


def paired_device(served: Served) -> str:
    dsn = served.settings.get("database_dsn")
    data_dir = Path(str(served.settings["data_dir"]))
    with served.client(new_token(None if dsn is None else str(dsn), data_dir)) as operator:
        return new_device(operator, "device-1", PUBLIC_KEY)[0]


def test_all_of_them_serve_and_count_as_one(served: Served) -> None:
    def ask(_: int) -> None:
        httpx.get(f"{served.url}/healthz", timeout=30).raise_for_status()

    before, asked = answered(served, "/healthz"), 0
    with ThreadPoolExecutor(8) as pool:

        def both_have_answered() -> bool:
            nonlocal asked
            asked += len(list(pool.map(ask, range(20))))
            return {line["worker"] for line in served.log() if line.get("path") == "/healthz"} == {1, 2}

        eventually(both_have_answered, "both workers to answer")
    for _ in range(3):
        assert answered(served, "/healthz") == before + asked
    begun = {(line["worker"], line["pid"]) for line in served.log() if line["event"] == "serving"}
    assert {(line["worker"], line["pid"]) for line in served.log() if line["event"] == "request"} == begun


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the limits of another process")
def test_no_process_leaves_a_core_file(served: Served) -> None:
    """It would hold keys."""
    for pid in (served.pid, *(worker.pid for worker in workers_of(served).values())):
        assert psutil.Process(pid).rlimit(psutil.RLIMIT_CORE) == (0, 0)


def test_killed_worker_loses_nothing_and_is_replaced(served: Served) -> None:
    token = paired_device(served)
    before = scrape(served)

    def open_session(number: int) -> str | None:
        with served.client(token) as client:
            try:
                answer = client.post("/sessions", json=session_body("device-1", 1))
            except httpx.TransportError:
                return None
        assert answer.status_code in {201, 503}, answer.text
        return str(answer.json()["session_id"]) if answer.status_code == 201 else None

    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(open_session, number) for number in range(120)]
        eventually(lambda: sum(answer.done() for answer in answers) > 40, "some sessions to be opened")
        killed = workers_of(served)[1]
        os.kill(killed.pid, signal.SIGKILL)
        acknowledged = {session_id for answer in answers if (session_id := answer.result())}
    assert served.logged("worker.died", worker=1, pid=killed.pid)["exit_status"] == -signal.SIGKILL
    eventually(lambda: len(workers_of(served)) == 2, "another worker in the place of the killed one")
    assert len(acknowledged) > 40
    with served.client(token) as client:
        for session_id in acknowledged:
            assert client.get(f"/sessions/{session_id}").json()["status"] == "active"
    after = scrape(served)
    assert [name for name in before if after[name] < before[name]] == []
    assert honeylink("pools", "check", **served.settings).returncode == 0


def test_worker_that_was_told_to_stop_is_replaced(served: Served) -> None:
    """How workers are restarted one by one: what the old one counted counts on."""
    before = answered(served, "/healthz")
    for _ in range(10):
        httpx.get(f"{served.url}/healthz", timeout=30)
    for number in (1, 2):
        worker = workers_of(served)[number]
        worker.terminate()
        assert served.logged("worker.died", pid=worker.pid)["exit_status"] == 0
        eventually(lambda: len(workers_of(served)) == 2, "another worker")
    assert answered(served, "/healthz") == before + 10


def test_workers_and_database_end_with_a_killed_supervisor(tmp_path: Path) -> None:
    with two_workers(tmp_path) as served:
        token = paired_device(served)
        with served.client(token) as client:
            opened = client.post("/sessions", json=session_body("device-1")).json()["session_id"]
        family = psutil.Process(served.pid).children(recursive=True)
        served.kill()
        eventually(lambda: all(map(is_gone, family)), "all that it has started to end")
    with serving(tmp_path / "again", data_dir=tmp_path / "data") as again, again.client(token) as client:
        assert client.get(f"/sessions/{opened}").json()["status"] == "active"


def test_request_in_flight_finishes(tmp_path: Path) -> None:
    """And the embedded database outlives it, but not by much."""
    with two_workers(tmp_path) as served:
        token = paired_device(served)
        family = psutil.Process(served.pid).children(recursive=True)
        body = json.dumps(session_body("device-1")).encode()
        with begun(served, token, len(body)) as peer, peer.makefile("rb") as answers:
            served.send(signal.SIGTERM)
            eventually(lambda: is_refused(served.port), "new connections to be refused")
            peer.sendall(body)
            assert answers.readline() == b"HTTP/1.1 201 Created\r\n"
            assert len(json.loads(answers.read().partition(b"\r\n\r\n")[2])["streams"]) == 2
        assert served.wait() == 0
        assert [process for process in family if not is_gone(process)] == []
        assert "Traceback" not in served.stderr.read_text()
        assert [line for line in served.log() if line["event"] == "worker.died"] == []


def test_second_signal_does_not_wait(tmp_path: Path, new_database: Callable[[], str]) -> None:
    with two_workers(tmp_path, database_dsn=new_database()) as served:
        family = psutil.Process(served.pid).children(recursive=True)
        with begun(served, paired_device(served), 100):
            served.send(signal.SIGTERM)
            eventually(lambda: is_refused(served.port), "new connections to be refused")
            served.send(signal.SIGTERM)
            assert served.wait() == 128 + signal.SIGTERM
        eventually(lambda: all(map(is_gone, family)), "all that it has started to end")


def test_frozen_worker_is_not_waited_for(tmp_path: Path, new_database: Callable[[], str]) -> None:
    with two_workers(tmp_path, database_dsn=new_database(), shutdown_timeout_seconds=3) as served:
        frozen = workers_of(served)[1]
        frozen.suspend()
        served.send(signal.SIGTERM)
        served.wait()
        eventually(lambda: is_gone(frozen), "the frozen worker to be gone")


def test_worker_that_can_not_start_does_not_end_the_others(served: Served) -> None:
    key_file = Path(str(served.settings["data_dir"])) / "kek.key"
    key_file.chmod(0o644)
    workers_of(served)[1].kill()
    # More often than ends it all where none serves.
    eventually(lambda: failures(served) > 3, "its successors to fail")
    assert httpx.get(f"{served.url}/readyz", timeout=30).status_code == 200
    key_file.chmod(0o600)
    eventually(lambda: len(workers_of(served)) == 2, "a worker again")


def failures(served: Served) -> int:
    return sum("expected mode 0600" in str(line.get("reason")) for line in served.log())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux sets the limits of another process")
def test_supervisor_that_can_start_none_goes_on(served: Served) -> None:
    """As when processes, descriptors or memory have run out."""
    supervisor = psutil.Process(served.pid)
    eventually(lambda: len(workers_of(served)) == 2, "both workers")
    before = sockets(served)
    limits = supervisor.rlimit(psutil.RLIMIT_NOFILE)
    supervisor.rlimit(psutil.RLIMIT_NOFILE, (3, limits[1]))
    workers_of(served)[1].kill()
    eventually(lambda: starts_failed(served) > 3, "starts to fail")
    assert httpx.get(f"{served.url}/readyz", timeout=30).status_code == 200
    supervisor.rlimit(psutil.RLIMIT_NOFILE, limits)
    eventually(lambda: len(workers_of(served)) == 2, "a worker again")
    eventually(lambda: sockets(served) == before, "failed starts to have left no socket")


def starts_failed(served: Served) -> int:
    return sum(line["event"] == "worker.start_failed" for line in served.log())


def sockets(served: Served) -> int:
    return sum(str(each.readlink()).startswith("socket:") for each in Path(f"/proc/{served.pid}/fd").iterdir())


BABBLING = """
import os, sys
if "honeylink.cli.serving.worker" in sys.orig_argv:
    try:
        os.remove({flag!r})
    except FileNotFoundError:
        pass
    else:
        from honeylink.cli.serving.channel import Channel
        Channel.send = lambda self, kind, **_: self._writer.is_closing() or self._writer.write({said})
"""


@pytest.mark.parametrize(
    "said",
    [
        "b' ' * (17 << 20)",
        'b\'{"kind": "counted", "exposition": "no number"}\\n\' + b\'no JSON\\n\'',
    ],
    ids=["too long", "counts that can't be read"],
)
def test_worker_that_babbles_is_replaced(tmp_path: Path, new_database: Callable[[], str], said: str) -> None:
    flag = tmp_path / "flag"
    flag.touch()
    (tmp_path / "sitecustomize.py").write_text(BABBLING.format(flag=str(flag), said=said))
    with two_workers(tmp_path, database_dsn=new_database(), PYTHONPATH=tmp_path) as served:
        served.logged("worker.died")
        eventually(lambda: len(workers_of(served)) == 2, "another worker")
        httpx.get(f"{served.url}/healthz", timeout=30).raise_for_status()
        assert answered(served, "/healthz") == 1


def test_worker_answers_its_own_counts_when_nobody_adds_them_up(served: Served) -> None:
    os.kill(served.pid, signal.SIGSTOP)
    try:
        own = httpx.get(f"{served.url}/metrics", timeout=30).raise_for_status().text
        assert "# TYPE honeylink_http_requests_total counter" in own
    finally:
        os.kill(served.pid, signal.SIGCONT)
    assert answered(served, "/metrics") > 0  # that one


def test_workers_that_can_not_start_end_it_all(tmp_path: Path, new_database: Callable[[], str]) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\nif 'honeylink.cli.serving.worker' in sys.orig_argv:\n    os._exit(3)\n"
    )
    settings = {"database_dsn": new_database(), "data_dir": tmp_path, "PYTHONPATH": tmp_path}
    ended = honeylink("serve", "--workers", "2", **settings)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith("honeylink: expected workers to start, found exit status 3")


def test_address_of_others_is_not_shared(served: Served, tmp_path: Path) -> None:
    refused = honeylink("serve", "--workers", "2", **{**served.settings, "port": served.port})
    assert refused.returncode == 1
    assert f"port {served.port} on 127.0.0.1 is taken" in refused.stderr


def test_connections_of_a_fleet_are_dealt_out(served: Served) -> None:
    """All at once and for good: no worker gets them all. By chance one would in 1 of 2^63 times."""
    with ExitStack() as fleet:
        peers = [fleet.enter_context(socket.create_connection(("127.0.0.1", served.port), 30)) for _ in range(64)]
        for peer in peers:
            peer.sendall(b"GET /docs HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n")
        for peer in peers:
            while peer.recv(1 << 16):
                pass
    eventually(lambda: len(paths_served(served, "/docs")) == 64, "the log of them")
    assert set(paths_served(served, "/docs")) == {1, 2}


def paths_served(served: Served, path: str) -> list[int]:
    return [line["worker"] for line in served.log() if line.get("path") == path]


def test_number_of_workers_is_checked(tmp_path: Path) -> None:
    refused = honeylink("serve", "--workers", "0", data_dir=tmp_path)
    assert refused.returncode == 1
    assert "HONEYLINK_WORKERS" in refused.stderr


def test_expositions_are_summed_but_for_gauges() -> None:
    text = (
        '# HELP a_total Of a.\n# TYPE a_total counter\na_total{{b="c"}} {0}.0\na_total{{b="{0}"}} 1.0\n'
        "# HELP g Of g.\n# TYPE g gauge\ng {0}.0\n"
        '# HELP h Of h.\n# TYPE h histogram\nh_bucket{{le="1.0"}} {0}.0\nh_bucket{{le="+Inf"}} 5.0\n'
        "h_count 5.0\nh_sum 0.5\n"
    )
    summed = sum_expositions([text.format(2), "", text.format(3)])
    samples = {line for line in summed.splitlines() if not line.startswith("#")}
    assert samples == {
        'a_total{b="c"} 5.0',
        'a_total{b="2"} 1.0',
        'a_total{b="3"} 1.0',
        "g 3.0",
        'h_bucket{le="1.0"} 5.0',
        'h_bucket{le="+Inf"} 10.0',
        "h_count 10.0",
        "h_sum 1.0",
    }
    assert "# TYPE a_total counter" in summed
    assert "# HELP h Of h." in summed


def begun(served: Served, token: str, body_bytes: int) -> socket.socket:
    """A connection with a request that the server is inside of: it has asked for the body."""
    peer = socket.create_connection(("127.0.0.1", served.port), 30)
    peer.sendall(
        (
            "POST /sessions HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {token}\r\nContent-Length: {body_bytes}\r\nExpect: 100-continue\r\n\r\n"
        ).encode()
    )
    expected = b"HTTP/1.1 100 Continue\r\n\r\n"
    assert peer.recv(len(expected), socket.MSG_WAITALL) == expected
    return peer
