"""`honeylink bench fec`, run as people and scripts run it. How fast anything is, no test asks."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import numpy as np
import psutil
import pytest
from PIL import Image

from honeylink import __version__
from honeylink.cli.bench import chart, codecs, report
from honeylink.cli.bench.cases import Case, Codec, CodecFailed, Operation
from honeylink.cli.bench.measuring import Measurement, Result, cases
from honeylink.fec import engine, engines
from tests.operations.processes import COMMAND, PATIENCE_SECONDS, environment, eventually, honeylink

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
SMALL = ("bench", "fec", "--quick", "--codes", "3+2,10+1", "--sizes", "64,1200")
SMALLEST = (*SMALL[:3], "--codes", "3+2", "--sizes", "64")
SVG = "{http://www.w3.org/2000/svg}"


def key(row: dict[str, Any]) -> tuple[object, ...]:
    return row["package"], row["engine"], row["operation"], row["data_shards"], row["parity_shards"], row["shard_bytes"]


def test_json_and_a_chart(tmp_path: Path) -> None:
    drawn = tmp_path / "fec.svg"
    result = honeylink(*SMALL, "--json", "--chart", str(drawn))
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""  # no bar: nobody looks
    answer = json.loads(result.stdout)
    assert (answer["honeylink"], answer["engine_in_use"]) == (__version__, engine())
    assert "data bytes" in answer["unit"]
    assert answer["failures"] == []
    expected = [(codec, case) for case in cases([(3, 2), (10, 1)], [64, 1200]) for codec in codecs.installed()]
    assert sorted(map(key, answer["results"]), key=str) == sorted(
        (
            (codec.package, codec.engine, case.operation, case.data_shards, case.parity_shards, case.shard_bytes)
            for codec, case in expected
        ),
        key=str,
    )
    for row in answer["results"]:
        data_bytes = row["data_shards"] * row["shard_bytes"]
        assert row["gib_per_second"] == pytest.approx(data_bytes / row["seconds"] / 2**30)
    assert set(answer["not_installed"]) == set(codecs.PEERS) - {codec.package for codec in codecs.installed()}
    texts = [text.text for text in ET.parse(drawn).getroot().iter(f"{SVG}text")]
    assert {"encode 3+2", "reconstruct 10+1", f"honeylink {engine()}", "64 B"} <= set(texts)


def test_a_table_and_a_picture(tmp_path: Path) -> None:
    drawn = tmp_path / "fec.PNG"
    result = honeylink(*SMALL, "--chart", str(drawn))
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 100
    for codec in codecs.installed():
        mark = "*" if codec.engine == engine() else " "
        assert sum(line.startswith(f"{mark} {codec.label} ") for line in lines) == 2, codec  # one for each code
    for name in codecs.missing():
        assert f"{name}" in next(line for line in lines if line.startswith("not installed"))
    with Image.open(drawn) as image:
        image.verify()
        assert image.format == "PNG"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--chart", "fec.jpg"], "ends in .svg or .png, found 'fec.jpg'"),
        (["--chart", "nowhere/fec.svg"], "a directory that exists, found 'nowhere/fec.svg'"),
        (["--codes", "10"], "expected K+M as 10+2, found '10'"),
        (["--codes", "200+57"], "at most 256 shards together"),
        (["--codes", "10+0"], "a code with parity"),
        (["--sizes", "1200,0"], "bytes in a shard, as 1200,65536, found '1200,0'"),
        (["--sizes", "large"], "found 'large'"),
    ],
)
def test_what_can_not_be_done_is_told_before_anything_is_measured(arguments: list[str], told: str) -> None:
    result = honeylink("bench", "fec", *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert told in " ".join(result.stderr.split())


def test_a_wrong_engine_is_one_line() -> None:
    result = honeylink("bench", "fec", fec_engine="abacus")
    assert result.returncode == 1
    assert result.stderr.startswith("honeylink: expected one of ")
    assert result.stderr.count("\n") == 1


def test_help_of_its_own() -> None:
    result = honeylink("bench", "fec", "--help")
    assert result.returncode == 0
    for option in ("--quick", "--json", "--chart", "--codes", "--sizes"):
        assert option in result.stdout


def test_ctrl_c_on_a_terminal() -> None:
    """The bar is there, and afterwards nothing is left: neither of it nor of the processes."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, "bench", "fec"], env=environment(), stdout=theirs, stderr=theirs, start_new_session=True
    ) as process:
        os.close(theirs)
        shown = b""
        while b"B\x1b[K" not in shown:  # the end of a line that names a case
            shown += os.read(ours, 4096)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(PATIENCE_SECONDS) == 130
        while b"stopped" not in shown:
            shown += os.read(ours, 4096)
    os.close(ours)
    text = shown.decode()
    assert "%, " in text
    assert text.endswith("\r\x1b[Khoneylink: stopped\r\n")
    assert "Traceback" not in text
    eventually(lambda: not running_in(process.pid), "no process left")


def running_in(group: int) -> list[psutil.Process]:
    """The processes of a group, without those that are dead and that nobody asks about."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


# --- the library alone ------------------------------------------------------------------------------------------


@pytest.fixture
def alone(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the command where only NumPy is installed, and what a test puts into `tmp_path`."""
    for place in Path(np.__file__).parents[1].glob("numpy*"):
        (tmp_path / place.name).symlink_to(place)
    start = (
        f"import sys; sys.path += [{str(ROOT / 'python')!r}, {str(tmp_path)!r}]; from honeylink.cli import main; main()"
    )

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-I", "-S", "-c", start, *arguments],
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )

    return run


def test_the_library_alone_is_enough(alone: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    assert "not installed" in alone("serve").stderr  # so it is alone
    result = alone(*SMALL)
    assert result.returncode == 0, result.stderr
    assert "(pip install zfec zfex pyeclib reedsolo)" in result.stdout
    picture = alone(*SMALL, "--chart", str(tmp_path / "fec.png"))
    assert (picture.returncode, picture.stdout) == (2, "")
    assert "pip install 'honeylink[charts]'" in " ".join(picture.stderr.split())


LIAR = """
class Encoder:
    def __init__(self, k, total): self.k, self.total = k, total
    def encode(self, data, numbers): return data[: self.total - self.k]
class Decoder(Encoder): pass
"""
DYING = "import os; os._exit(3)"


@pytest.mark.parametrize(
    ("source", "reason"), [(LIAR, "expected the parity of RFC 5510"), (DYING, "its process has ended")]
)
def test_a_peer_that_fails_is_left_out(
    alone: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path, source: str, reason: str
) -> None:
    (tmp_path / "zfec.py").write_text(source)
    metadata = tmp_path / "zfec-9.9.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: zfec\nVersion: 9.9\n")
    result = alone(*SMALLEST, "--json")
    assert result.returncode == 0, result.stderr
    answer = json.loads(result.stdout)
    assert [(each["package"], each["engine"]) for each in answer["failures"]] == [("zfec", None)]
    assert answer["failures"][0]["reason"].startswith("encode 3+2, 64 B: ")
    assert reason in answer["failures"][0]["reason"]
    assert {each["package"] for each in answer["results"]} == {"honeylink"}
    assert {each["engine"] for each in answer["results"]} == set(engines())
    shown = alone(*SMALLEST)
    assert "zfec 9.9 failed: encode 3+2, 64 B: " in shown.stdout


# --- its parts --------------------------------------------------------------------------------------------------


HERE = [codec for codec in codecs.installed() if codec.engine in {None, engine()}]
ELSEWHERE = [codec for codec in codecs.installed() if codec not in HERE]


@pytest.mark.parametrize("codec", HERE, ids=lambda codec: codec.label)
@pytest.mark.parametrize("case", cases([(1, 1), (10, 2), (3, 5)], [1, 1200]), ids=str)
def test_each_codec_does_its_work(codec: Codec, case: Case) -> None:
    """What is timed is what was found right: each call gives the same."""
    prepared = codecs.prepare(codec, case)
    assert prepared is not None
    first, second = prepared.call(), prepared.call()
    np.testing.assert_equal(first, second)


@pytest.mark.parametrize("codec", ELSEWHERE, ids=lambda codec: codec.label)
def test_an_engine_that_is_not_in_use_is_not_measured(codec: Codec) -> None:
    with pytest.raises(CodecFailed, match=f"expected the engine {codec.engine} in use, found {engine()}"):
        codecs.prepare(codec, Case(Operation.ENCODE, 3, 2, 64))


def made_up() -> Measurement:
    """Speeds that are far apart, and a peer that does not do all."""
    fast, slow, peer = Codec("honeylink", "1.0", "fast"), Codec("honeylink", "1.0", "slow"), Codec("a<b&c", "2.0")
    speeds = {fast: 2e-8, slow: 3e-6, peer: 0.5}
    wanted = cases([(10, 1), (10, 2)], [1200, 65536])
    results = [Result(codec, case, seconds) for case in wanted for codec, seconds in speeds.items()]
    return Measurement([each for each in results if each.codec != peer or each.case.shard_bytes == 1200])


def test_a_chart_has_a_panel_for_each_operation_and_code(tmp_path: Path) -> None:
    path = tmp_path / "chart.svg"
    chart.draw(made_up(), path)
    root = ET.parse(path).getroot()
    width, height = map(float, root.attrib["viewBox"].split()[2:])
    assert "fill: #ffffff" in next(root.iter(f"{SVG}path")).attrib["style"]  # a background of its own
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert [text for text in texts if text and text.startswith(tuple(Operation))] == [
        f"{operation} {code}" for operation in Operation for code in ("10+1", "10+2")
    ]
    assert "a<b&c 2.0" in texts
    curves = [line for line in root.iter(f"{SVG}path") if "stroke-width: 2" in line.attrib.get("style", "")]
    assert len(curves) == (4 + 1) * 3  # in each panel and in the legend
    for mark in root.iter(f"{SVG}use"):
        assert 0 < float(mark.attrib["x"]) < width
        assert 0 < float(mark.attrib["y"]) < height


def test_charts_are_the_same_each_time_and_have_the_same_shape_in_both_kinds(tmp_path: Path) -> None:
    for name in ("chart.svg", "again.svg", "chart.png"):
        chart.draw(made_up(), tmp_path / name)
    assert (tmp_path / "chart.svg").read_bytes() == (tmp_path / "again.svg").read_bytes()
    _, _, width, height = map(int, ET.parse(tmp_path / "chart.svg").getroot().attrib["viewBox"].split())
    with Image.open(tmp_path / "chart.png") as image:
        assert image.size == (2 * width, 2 * height)
        colours = image.getcolors(maxcolors=2**20)
    assert colours is not None
    assert len(colours) > 50  # something was drawn, and smoothly


def test_one_speed_makes_a_chart_too(tmp_path: Path) -> None:
    result = Result(Codec("honeylink", "1.0", "fast"), Case(Operation.ENCODE, 1, 1, 2**30), 1.0)
    chart.draw(Measurement([result]), tmp_path / "one.svg")
    texts = [text.text for text in ET.parse(tmp_path / "one.svg").getroot().iter(f"{SVG}text")]
    assert {"encode 1+1", "1024 MiB", "honeylink fast"} <= set(texts)


@pytest.mark.parametrize(
    ("count", "text"), [(1, "1 B"), (1200, "1200 B"), (4096, "4 KiB"), (65536, "64 KiB"), (3 * 2**20, "3 MiB")]
)
def test_bytes_as_people_read_them(count: int, text: str) -> None:
    assert report.size(count) == text
