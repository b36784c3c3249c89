"""What a run writes: verdicts, tables, charts, and where they go in the page."""

import re
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benches.api import charts, goals, growth, page, report
from benches.api.findings import Findings
from benches.api.live_sessions import LiveSessions
from benches.api.memory import Memory
from benches.api.overload import Overload
from benches.api.parts import shares
from benches.api.results import Load, Row
from benches.api.throughput import Throughput

SVG = "{http://www.w3.org/2000/svg}"


def load(answered: int, latency_us: int) -> Load:
    return Load(answered, 10, Counter({latency_us: answered}))


def row(name: str, clients: str, answered: int, latency_us: int) -> Row:
    made = Row(name, clients)
    made.add(load(answered, latency_us), server_cpu_seconds=1, postgres_cpu_seconds=0.5, strange_cpu_seconds=0)
    return made


def findings(memory: Memory | None = None, grown: list[growth.Cost] | None = None) -> Findings:
    rows = [
        row("1 worker", "8", 10_000, 8_000),
        row("1 worker", "32", 15_000, 20_000),
        row("2 workers", "32", 20_000, 15_000),
        row("2 workers, one tenant", "32", 19_000, 16_000),
        row("pgbench", "32", 25_000, 12_000),
    ]
    half, light = row("2 workers, half of its maximum", "half", 10_000, 4_000), row("light", "100/s", 1_000, 2_500)
    stacks = shares(["Runner.run (asyncio/runners.py:118) 1", "decide (honeylink/domain/admission.py:9) 3"])
    overloaded = load(20_000, 40_000)
    overloaded.others["503"] = 40_000
    overloaded.refusals_us = Counter({9_000: 39_999, 60_000: 1})
    live_sessions = LiveSessions(
        {"create": [load(900, 2_400), load(900, 90_000), load(900, 2_400)], "list": [load(900, 3_000)]},
        {"create": [load(900, 2_000)] * 3, "list": [load(900, 3_000)]},
    )
    throughput = Throughput(rows, {1: 2.0, 8: 0.5}, {8: stacks}, rows[2], half, light)
    return Findings(throughput, Overload(6_000, 10, overloaded, 15, 1.5), live_sessions, memory, grown)


@pytest.mark.parametrize(
    ("found", "more_is_better", "verdict"),
    [
        (1.0, True, "aim met"),
        (0.5, True, "met"),
        (0.49, True, "**missed**"),
        (0.5, False, "aim met"),
        (1.0, False, "met"),
        (1.01, False, "**missed**"),
        (float("inf"), False, "**missed**"),
        (float("nan"), False, "**missed**"),
        (None, False, "not measured"),
    ],
)
def test_a_goal_says_how_far_it_was_met(found: float | None, more_is_better: bool, verdict: str) -> None:
    least, aim = (0.5, 1.0) if more_is_better else (1.0, 0.5)

    assert goals.Goal("a figure", least, aim, found, more_is_better=more_is_better).verdict == verdict


@pytest.mark.parametrize(
    ("value", "text"), [(0.947, "0.947 ms"), (5.0, "5 ms"), (5110.4, "5,110 ms"), (float("inf"), "inf ms"), (None, "")]
)
def test_a_figure_is_told_in_three_digits(value: float | None, text: str) -> None:
    assert goals.Goal("a figure", 1, 1, value, " ms").text(value) == text


def test_every_figure_has_a_goal() -> None:
    verdicts = [goal.verdict for goal in goals.goals(findings())]

    assert verdicts == [
        "met", "aim met", "aim met", "aim met", "met", "aim met", "not measured", "not measured",
        "not measured", "**missed**", "aim met", "**missed**", "aim met", "aim met",
    ]  # fmt: skip


def test_the_last_line_is_for_machines() -> None:
    assert findings().summary() == "ratio=0.800 p99_half_ms=4.00 p95_100rps_ms=2.50"


def test_a_round_that_the_machine_spoilt_does_not_count() -> None:
    found = findings()
    for latency_us in (9_000, 80_000):
        found.throughput.half.add(load(10_000, latency_us), 1, 0.5, 0)

    assert "p99_half_ms=9.00" in found.summary()
    assert "- p99 of the rounds at half: 4.0, 9.0, 80.0 ms" in list(report.lines(found, quick=True))


def test_memory_is_flat_if_the_last_is_like_the_first() -> None:
    flat = Memory([(100_000, 100_000_000), (500_000, 100_400_000), (1_000_000, 100_900_000)])

    assert flat.bytes_per_create == pytest.approx(1)
    assert next(goal for goal in goals.goals(findings(flat)) if "memory" in goal.what).verdict == "aim met"


def test_tables_have_as_many_cells_in_every_line() -> None:
    memory = Memory([(100_000, 2**20), (1_000_000, 2**21)])
    lines = [line for line in report.lines(findings(memory), quick=True) if line.startswith("|")]
    widths = [line.count("|") for line in lines]

    assert set(widths) == {len(report.HEADER) + 1, 6, 3}
    assert "| decide | 75 µs (75%) |" in lines
    assert "| all | 100 µs |" in lines


def test_a_text_replaces_the_one_before_and_nothing_else() -> None:
    begin, end = "<!-- api results: begin -->", "<!-- api results: end -->"

    assert (
        page.replaced(f"above\n\n{begin}\nold\n{end}\nbelow\n", "api", "new")
        == f"above\n\n{begin}\nnew\n{end}\nbelow\n"
    )
    assert page.replaced("above\n", "api", "new") == f"above\n\n{begin}\nnew\n{end}\n"


def test_charts_show_each_value_and_each_name(tmp_path: Path) -> None:
    path = tmp_path / "chart.svg"

    charts.bars(path, "bars", ["1", "8"], {"one": {"1": 10, "8": 20}, "two": {"8": 30}})
    bars = ET.parse(path).getroot()
    charts.lines(path, "lines", ["1,000", "10,000"], {"p50": [0.5, 0.6], "p99": [2.0, 11.0]})
    lines = ET.parse(path).getroot()

    assert {"bars", "1", "8", "one", "two", "10", "20", "30"} <= {text.text for text in bars.iter(f"{SVG}text")}
    heights = [height(bar) for bar in bars.iter(f"{SVG}path") if "clip-path" in bar.attrib and "z" in bar.attrib["d"]]
    assert [each / heights[0] for each in heights] == pytest.approx([1, 2, 3], rel=0.01)
    assert {"lines", "10,000", "p50", "p99", "0.5", "11"} <= {text.text for text in lines.iter(f"{SVG}text")}
    assert sum("#" in mark.attrib["style"] for mark in lines.iter(f"{SVG}use")) >= 4


def height(bar: ET.Element) -> float:
    """Of a closed path."""
    ends = [float(y) for y in re.findall(r"[ML] \S+ (\S+)", bar.attrib["d"])]
    return max(ends) - min(ends)


def test_growth_is_a_line_for_each_size_and_the_last_over_the_first() -> None:
    costs = [growth.Cost(1_000, 0.5, 1.25, 80), growth.Cost(10_000, 0.5, 1.5, 90)]
    found = [goal.found for goal in goals.goals(findings(grown=costs)) if "10³" in goal.what]

    assert found == [1.0, 90 / 80]
    assert list(growth.table(costs))[2:] == [
        "| 1,000 | 0.50 ms | 1.25 ms | 80 µs |",
        "| 10,000 | 0.50 ms | 1.50 ms | 90 µs |",
    ]
