"""The first thing that anybody runs."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import pytest

from tests.operations.processes import Process, eventually, honeylink

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One data directory for all: the second start finds what the first has made."""
    return tmp_path_factory.mktemp("quickstart")


def test_once(data_dir: Path) -> None:
    shown = honeylink("quickstart", "--once", data_dir=data_dir)
    assert shown.returncode == 0, shown.stderr + shown.stdout
    assert "201 Created" in shown.stdout
    assert "Location: /sessions/" in shown.stdout
    words = " ".join(shown.stdout.split())
    assert re.search(r"video FEC 10\+5: .* lost shards [\d, ]+ of 15, recovered all byte for byte", words)
    assert [process for process in psutil.process_iter(["cmdline"]) if runs_in(process, data_dir)] == []


def test_shown_lines_can_be_pasted(data_dir: Path, tmp_path: Path) -> None:
    process = Process(tmp_path, ("quickstart",), {"data_dir": data_dir})
    try:
        shown = eventually(lambda: whole_output(process), "the end of the demonstration")
        variables = dict(re.findall(r"^export (\w+)=(\S+)$", shown, re.MULTILINE))
        assert set(variables) == {"DEVICE_TOKEN", "OPERATOR_TOKEN"}
        lines = re.findall(r"^curl .*$", shown, re.MULTILINE)
        opened, sessions, devices = (run_curl(line, variables) for line in lines)
        assert len(opened["streams"]) == 2
        assert [session["status"] for session in sessions["items"]] == ["active", "active"]
        assert devices["items"][0]["device_id"] == sessions["items"][0]["device_id"]
        [docs] = re.findall(r"documentation: (\S+)$", shown, re.MULTILINE)
        assert httpx.get(docs).headers["content-type"].startswith("text/html")
        process.send(signal.SIGINT)
        assert process.wait() == 0
        assert "Traceback" not in process.stderr.read_text()
    finally:
        process.end()
    assert [each for each in psutil.process_iter(["cmdline"]) if runs_in(each, data_dir)] == []


def whole_output(process: Process) -> str | None:
    text = process.stdout.read_text()
    return text if "Serving until Ctrl-C" in text else None


def run_curl(line: str, variables: dict[str, str]) -> dict[str, Any]:
    """Run a line as a shell would; without curl, do what it says."""
    if shutil.which("curl"):
        shell_variables = {**os.environ, **variables}
        answered = subprocess.run(["sh", "-c", line], env=shell_variables, capture_output=True, check=True, timeout=30)
        content = answered.stdout
    else:
        content = do_as_curl(line, variables).raise_for_status().content
    answer: dict[str, Any] = json.loads(content)
    return answer


def do_as_curl(line: str, variables: dict[str, str]) -> httpx.Response:
    url, headers, content = "", {}, None
    words = iter(shlex.split(line)[1:])
    for word in words:
        if word == "-H":
            name, _, value = next(words).partition(": ")
            headers[name] = re.sub(r"\$(\w+)", lambda match: variables[match[1]], value)
        elif word == "-d":
            content = next(words)
        elif not word.startswith("-"):
            url = word
    return httpx.request("GET" if content is None else "POST", url, headers=headers, content=content)


def runs_in(process: psutil.Process, directory: Path) -> bool:
    return any(str(directory) in word for word in process.info["cmdline"] or ())
