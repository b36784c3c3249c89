"""What all workers count, as one: a scrape reaches one of them, and an operator wants to know of all.

Each worker counts for itself, at no cost beyond that; who is asked asks the supervisor, who asks the others. The road
not taken is prometheus_client's multiprocess mode, in which each count is written to a file that is mapped into memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def sum_expositions(expositions: Iterable[str]) -> str:
    r"""Add up what processes expose in Prometheus's text format.

    A gauge says how something is, and not how often: the last one that is given counts.

    Example:
        >>> text = "# TYPE answers_total counter\nanswers_total 2.0\n"
        >>> print(sum_expositions([text, text]).splitlines()[-1])
        answers_total 4.0
    """
    families: dict[str, Metric] = {}
    values: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
    for exposition in expositions:
        for family in text_string_to_metric_families(exposition):
            families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            found = values.setdefault(family.name, {})
            for sample in family.samples:
                key = sample.name, tuple(sample.labels.items())
                found[key] = sample.value + (0.0 if family.type == "gauge" else found.get(key, 0.0))
    for name, family in families.items():
        for (sample_name, labels), value in values[name].items():
            family.add_sample(sample_name, dict(labels), value)
    registry = CollectorRegistry()
    registry.register(_Families(families.values()))
    return generate_latest(registry).decode()


class _Families:
    """What is collected, as the library wants it."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from self._families
