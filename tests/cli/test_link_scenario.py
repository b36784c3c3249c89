"""Scenario files of `honeylink link simulate`: each fault of form or sense is told, with its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from honeylink.cli.link.scenario import ScenarioError, load
from tests.cli.scenarios import PLAIN

if TYPE_CHECKING:
    from collections.abc import Callable


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
