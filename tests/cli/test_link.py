"""`honeylink link simulate`, run as people and scripts run it."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from honeylink.cli.link.scenario import SHIPPED, load
from tests.cli.scenarios import PLAIN, run
from tests.operations.processes import COMMAND, PATIENCE_SECONDS, environment, honeylink

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]


SVG = "{http://www.w3.org/2000/svg}"


def test_the_shipped_ones_by_name() -> None:
    shown = honeylink("link", "simulate", "--list")
    assert shown.returncode == 0, shown.stderr
    assert [line.split()[0] for line in shown.stdout.splitlines()] == list(SHIPPED) == sorted(SHIPPED)
    assert len(SHIPPED) == 3


@pytest.mark.parametrize("name", SHIPPED)
def test_a_table_and_a_chart_of_each(name: str, tmp_path: Path) -> None:
    drawn = tmp_path / "link.svg"
    result = honeylink("link", "simulate", name, "--chart", str(drawn))
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""  # no bar: nobody looks
    title, header, *rows = result.stdout.splitlines()
    streams = list(load(name).streams)
    assert title.startswith(load(name).title)
    assert header.split()[0] == "stream"
    assert [row.split()[0] for row in rows] == streams
    assert max(map(len, result.stdout.splitlines())) <= 120
    root = ET.parse(drawn).getroot()
    texts = {text.text for text in root.iter(f"{SVG}text")}
    assert {load(name).title, "Sent, Mbit/s", "seconds", "delay, ms", "the link", *streams} <= texts
    styles = [line.attrib.get("style", "") for line in root.iter(f"{SVG}path")]
    colours = Counter(match[1] for style in styles if (match := re.search(r"stroke: (#\w+); stroke-width: 2", style)))
    assert list(colours.values()) == [3] * len(streams)  # a rate, a distribution, and a line in the legend


def test_a_chart_shows_names_as_they_are(scenario: Callable[[str], str], tmp_path: Path) -> None:
    """Whatever matplotlib would make of them: mathematics, a line to be left out, a glyph that it lacks."""
    text = PLAIN.replace("streams.data", "streams.'_a$b$ <ビデオ>'").replace("duration", "title = '$1 & $2'\nduration")
    for ending in ("svg", "png"):
        result = honeylink("link", "simulate", scenario(text), "--chart", str(tmp_path / f"link.{ending}"))
        assert (result.returncode, result.stderr) == (0, "")
    texts = {text.text for text in ET.parse(tmp_path / "link.svg").getroot().iter(f"{SVG}text")}
    assert {"_a$b$ <ビデオ>", "$1 & $2"} <= texts


def test_json_tells_what_the_chart_shows(scenario: Callable[[str], str], tmp_path: Path) -> None:
    result = honeylink("link", "simulate", scenario(PLAIN), "--json", "--chart", str(tmp_path / "link.PNG"))
    assert result.returncode == 0, result.stderr
    answer = json.loads(result.stdout)
    [stream] = answer["streams"]
    assert (answer["duration_seconds"], answer["title"]) == (2, "A link")
    assert (stream["name"], stream["packets"], stream["sent"], stream["queued"]) == ("data", 200, 200, 0)
    assert stream["offered_kbps"] == stream["sent_kbps"] == pytest.approx(400)
    assert stream["delay_ms"] == {"p50": pytest.approx(4), "p99": pytest.approx(4)}
    assert set(stream["dropped"].values()) == {0}
    assert np.mean(stream["kbps"]) == pytest.approx(400, rel=0.01)
    assert set(answer["link_kbps"]) == {1000}
    assert len(answer["seconds"]) == len(stream["kbps"]) == len(answer["link_kbps"])
    with Image.open(tmp_path / "link.PNG") as image:
        image.verify()
        assert image.format == "PNG"


def test_the_same_each_time(scenario: Callable[[str], str]) -> None:
    first, again = (honeylink("link", "simulate", "full-link", "--json").stdout for _ in range(2))
    assert first == again
    other = scenario(SHIPPED["full-link"].read_text("utf-8").replace("duration_seconds", "seed = 2\nduration_seconds"))
    assert honeylink("link", "simulate", other, "--json").stdout != first


def test_the_library_alone_says_what_to_install(tmp_path: Path) -> None:
    for place in Path(np.__file__).parents[1].glob("numpy*"):
        (tmp_path / place.name).symlink_to(place)
    start = (
        f"import sys; sys.path += [{str(ROOT / 'python')!r}, {str(tmp_path)!r}]; from honeylink.cli import main; main()"
    )
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", start, "link", "simulate", "halved"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("honeylink: a package that this command needs is not installed (pydantic)")
    assert "pip install 'honeylink[simulate]'" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "expected the file of a scenario, or the name of one that --list shows"),
        (["full-link", "--chart", "link.jpg"], "ends in .svg or .png, found 'link.jpg'"),
        (["full-link", "--chart", "nowhere/link.svg"], "a directory that exists, found 'nowhere/link.svg'"),
    ],
)
def test_wrong_usage(arguments: list[str], told: str) -> None:
    result = honeylink("link", "simulate", *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert told in " ".join(result.stderr.split())


def test_a_scenario_that_can_not_be_read() -> None:
    result = honeylink("link", "simulate", "no-such")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("honeylink: no-such can't be simulated:")
    assert "No such file" in result.stderr


def test_ctrl_c_on_a_terminal(scenario: Callable[[str], str]) -> None:
    """The bar is there, and afterwards nothing is left of it."""
    long = PLAIN.replace("duration_seconds = 2", "duration_seconds = 3600").replace("400", "4_000")
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, "link", "simulate", scenario(long)],
        env=environment(),
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        shown = b""
        while b" of 3600 s\x1b[K" not in shown:
            shown += os.read(ours, 4096)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_SECONDS) == 130
        while b"stopped" not in shown:
            shown += os.read(ours, 4096)
    os.close(ours)
    assert shown.endswith(b"\r\x1b[Khoneylink: stopped\r\n")
    assert b"Traceback" not in shown


def test_what_sends_only_later(scenario: Callable[[str], str]) -> None:
    _, streams = run(scenario(PLAIN + "from_seconds = 5\n"))
    assert streams["data"].kbps.max() == 0


@pytest.mark.parametrize("arguments", [["simulate", "full-link", "--json"], ["simulate", "--list"]])
def test_who_reads_may_stop(arguments: list[str]) -> None:
    with subprocess.Popen([*COMMAND, "link", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(PATIENCE_SECONDS) in {0, 141}
