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
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from honeylink.cli.link.scenario import SHIPPED, ScenarioError, load
from honeylink.cli.link.simulation import Outcome, StreamOutcome, simulate
from tests.operations.processes import COMMAND, PATIENCE_SECONDS, environment, honeylink

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
SVG = "{http://www.w3.org/2000/svg}"
PLAIN = """
duration_seconds = 2
[link]
rate_kbps = 1_000
[[streams.data.traffic]]
kind = "constant"
rate_kbps = 400
packet_bytes = 500
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Callable[[str], str]:
    """Writes a scenario, and gives the path of its file."""

    def write(text: str) -> str:
        path = tmp_path / "scenario.toml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def run(name: str) -> tuple[Outcome, dict[str, StreamOutcome]]:
    outcome = simulate(load(name), lambda part, what: None)
    return outcome, {each.name: each for each in outcome.streams}


def kbps(found: StreamOutcome, outcome: Outcome, from_seconds: float, until_seconds: float) -> float:
    """A stream's rate between two times."""
    within = (outcome.seconds > from_seconds) & (outcome.seconds < until_seconds)
    return float(found.kbps[within].mean())


# --- the command ------------------------------------------------------------------------------------------------


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


# --- faults -----------------------------------------------------------------------------------------------------


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


def faults(path: str) -> dict[str, str]:
    with pytest.raises(ScenarioError) as caught:
        load(path)
    for place, what in caught.value.faults:
        assert f"  {place}: {what}" in str(caught.value)
    return dict(caught.value.faults)


def test_all_faults_of_form_are_told_at_once_each_with_its_place(scenario: Callable[[str], str]) -> None:
    text = """
    duration_seconds = 0
    seed = "x"
    colour = "red"
    [link]
    [loss]
    loss = 0.75
    burst = 2
    [classes.acme]
    class = 3
    [streams.idle]
    [streams.video]
    fec = { data_shards = 250, parity_shards = 7 }
    [[streams.video.traffic]]
    kind = "burst"
    rate_kbps = "fast"
    packet_bytes = 65_536
    frames = 1
    [[streams.video.traffic]]
    kind = "constant"
    rate_kbps = 1
    from_seconds = 2
    until_seconds = 1
    on_seconds = 1
    [[changes]]
    """
    assert faults(scenario(text)) == {
        "duration_seconds": "expected 0.001 or more, found 0",
        "seed": "expected a valid integer, found 'x'",
        "colour": "there is no such setting",
        "loss.burst": "expected 3 or more, found 2",
        "classes.acme.class": "expected a valid string, found 3",
        "streams.idle.traffic": "expected a value, found none",
        "streams.video.fec.parity_shards": "expected 6 or less, found 7",
        "streams.video.traffic[0].kind": "expected 'constant', 'poisson' or 'video', found 'burst'",
        "streams.video.traffic[0].rate_kbps": "expected a valid number, found 'fast'",
        "streams.video.traffic[0].packet_bytes": "expected 65535 or less, found 65536",
        "streams.video.traffic[0].frames": "there is no such setting",
        "streams.video.traffic[1].until_seconds": "expected 2 or more, found 1",
        "streams.video.traffic[1].on_seconds": "expected it of video alone, found 1",
        "changes[0].at_seconds": "expected a value, found none",
    }


def test_all_that_does_not_fit_is_told_at_once_each_with_its_place(scenario: Callable[[str], str]) -> None:
    text = """
    duration_seconds = 2
    [link]
    rate_kbps = 1_000
    mtu = 9
    [classes.acme]
    class = "zen"
    weight = 0
    [streams.video]
    class = "beta"
    priority = "urgent"
    [[streams.video.traffic]]
    kind = "constant"
    rate_kbps = 1
    packet_bytes = 1515
    [[changes]]
    at_seconds = 1
    of = "nobody"
    rate_kbps = 1
    [[changes]]
    at_seconds = 0
    """
    assert faults(scenario(text)) == {
        "link.mtu": "there is no such setting",
        "classes.acme.class": "expected a class that stands above, found 'zen'",
        "classes.acme.weight": "expected 1 to 134217728, found 0",
        "streams.video.class": "expected a class, found 'beta'",
        "streams.video.priority": "expected one of latency, normal, burst, found 'urgent'",
        "streams.video.traffic[0].packet_bytes": "expected at most the link's mtu_bytes, 1514, found 1515",
        "changes[0].of": "expected link, or the name of a class or a stream, found 'nobody'",
        "changes[1].rate_kbps": "expected a setting to change, found none",
    }


@pytest.mark.parametrize(
    ("text", "place", "told"),
    [
        ("= 1", "the file", "expected TOML (or the name of a scenario that --list shows), found: "),
        ("duration_seconds = 1", "streams", "expected a value, found none"),
        (PLAIN.replace("rate_kbps = 1_000", ""), "link.rate_kbps", "expected an integer, found none"),
        ("duration_seconds = 1\nstreams = {}", "streams", "expected one or more, found none"),
        ("duration_seconds = 1\nlink = 3", "link", "expected a table, found 3"),
        ("duration_seconds = 1\nstreams = { a = 1 }", "streams.a", "expected a table, found 1"),
        (PLAIN.replace("1_000", "0"), "link.rate_kbps", "expected 1 to 1000000000, found 0"),
        (PLAIN.replace("1_000", "1.5"), "link.rate_kbps", "expected an integer, found float"),
        (
            PLAIN.replace("[[streams", "[streams.data]\nrate_kbps = 1_001\n[[streams"),
            "streams.data.rate_kbps",
            "of at most",
        ),
        (PLAIN.replace("data.", "link."), "streams", "expected names that no class has, and other ones than link"),
        (
            PLAIN.replace("400", "400_000_000"),
            "streams",
            "expected about 5,000,000 packets in all at most, found 200,000,000",
        ),
        (
            PLAIN + "[[changes]]\nat_seconds = 1\nrate_kbps = 0",
            "changes[0].rate_kbps",
            "expected 1 to 1000000000, found 0",
        ),
        (PLAIN + "[[changes]]\nat_seconds = 1\nweight = 1", "changes[0].weight", "the root has no such setting"),
        (PLAIN + "[[changes]]\nat_seconds = 3\nrate_kbps = 9", "changes[0].at_seconds", "expected 2 or less, found 3"),
        (PLAIN + "[changes]", "changes", "expected an array of tables, found {}"),
        (
            PLAIN.replace("[[streams", "[streams.data]\nparent = 'link'\n[[streams"),
            "streams.data.parent",
            "there is no such setting",
        ),
        (PLAIN + "[loss]\nloss = nan", "loss.loss", "expected a finite number, found nan"),
    ],
)
def test_faults(scenario: Callable[[str], str], text: str, place: str, told: str) -> None:
    assert told in faults(scenario(text))[place]


# --- what it finds ----------------------------------------------------------------------------------------------


def test_on_a_full_link_guarantees_and_delays_are_kept() -> None:
    outcome, found = run("full-link")
    for name in ("video", "telemetry", "control"):
        assert found[name].sent_kbps == pytest.approx(found[name].offered_kbps, rel=0.01)
        assert found[name].dropped == 0
    assert found["control"].delays_ms[-1] <= 10  # its max_delay_us
    assert found["upload"].dropped > 0
    assert sum(each.sent_kbps for each in outcome.streams) == pytest.approx(8_000, rel=0.01)


def test_what_is_borrowed_comes_back() -> None:
    outcome, found = run("borrowing")
    video, files = found["zen-video"], found["acme-files"]
    assert kbps(files, outcome, 7, 13) > 9_500
    assert kbps(video, outcome, 7, 13) < 1
    for start in (1, 14):
        assert kbps(video, outcome, start, start + 5) == pytest.approx(4_000, rel=0.05)
        assert kbps(files, outcome, start, start + 5) < 6_000
    assert video.dropped == 0


def test_when_the_rate_halves_what_is_guaranteed_goes_on() -> None:
    outcome, found = run("halved")
    assert set(outcome.link_kbps) == {5_000, 10_000}
    for start in (1, 11, 21):
        assert kbps(found["video"], outcome, start, start + 8) == pytest.approx(3_000, rel=0.05)
    assert kbps(found["files"], outcome, 11, 19) < 2_200 < kbps(found["files"], outcome, 1, 9)
    assert found["control"].delay_ms(99) < 10  # type: ignore[operator]


TWO = """
duration_seconds = 50
[link]
rate_kbps = 100_000
overhead_bytes = 40
{loss}
[streams.plain]
[[streams.plain.traffic]]
kind = "poisson"
rate_kbps = 1_000
packet_bytes = 1_000
[streams.coded]
fec = {{ data_shards = 5, parity_shards = 5 }}
[[streams.coded.traffic]]
kind = "video"
rate_kbps = 1_000
packet_bytes = 1_000
frames_per_second = 10
on_seconds = 1
off_seconds = 1
"""


def test_traffic_has_its_rate_and_parity_comes_on_top(scenario: Callable[[str], str]) -> None:
    _, found = run(scenario(TWO.format(loss="")))
    assert found["plain"].offered_kbps == pytest.approx(1_000, rel=0.05)
    assert found["coded"].offered_kbps == pytest.approx(1_000, rel=0.06)  # half of the time, and as much of parity
    assert found["plain"].delays_ms[0] == pytest.approx(1_040 * 8 / 100_000)
    assert found["plain"].lost == found["coded"].recovered == 0


def test_losses_have_their_rate_and_parity_brings_packets_back(scenario: Callable[[str], str]) -> None:
    _, found = run(scenario(TWO.format(loss="[loss]\nloss = 0.1")))
    plain, coded = found["plain"], found["coded"]
    assert plain.lost == pytest.approx(plain.stats.dequeued / 10, rel=0.2)
    assert plain.recovered == 0
    assert len(plain.delays_ms) == plain.stats.dequeued - plain.lost
    data = round(coded.stats.dequeued / 2)
    assert 0 < coded.recovered <= coded.lost
    assert len(coded.delays_ms) == pytest.approx(data, rel=0.01)


def test_losses_come_in_bursts(scenario: Callable[[str], str]) -> None:
    def missing(loss: str) -> dict[str, Any]:
        _, found = run(scenario(TWO.format(loss=f"[loss]\n{loss}")))
        coded = found["coded"]
        return {"lost": coded.lost / coded.stats.dequeued, "left": coded.stats.dequeued / 2 - len(coded.delays_ms)}

    alone, bursts = missing("loss = 0.1"), missing("loss = 0.1\nburst = 20")
    assert bursts["lost"] == pytest.approx(alone["lost"], rel=0.5)
    assert bursts["left"] > 4 * alone["left"]


def test_a_queue_that_stands_for_long_is_sent_in_full(scenario: Callable[[str], str]) -> None:
    """More packets between two that come than the scheduler keeps for a late call."""
    text = """
    duration_seconds = 3
    [link]
    rate_kbps = 1_000_000
    [streams.many]
    queue_packets = 100_000
    [[streams.many.traffic]]
    kind = "video"
    rate_kbps = 10_000
    packet_bytes = 5
    frames_per_second = 0.5
    on_seconds = 1
    off_seconds = 3
    [streams.last]
    [[streams.last.traffic]]
    kind = "constant"
    rate_kbps = 10
    from_seconds = 2.5
    """
    _, found = run(scenario(text))
    assert found["many"].stats.dequeued == found["many"].stats.enqueued == 100_000
    assert found["many"].delays_ms[-1] == pytest.approx(100_000 * 5 * 8 / 1_000_000)
