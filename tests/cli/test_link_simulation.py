"""What simulating a link finds: guarantees, borrowing, traffic, parity and losses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.scenarios import kbps, run

if TYPE_CHECKING:
    from collections.abc import Callable


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
