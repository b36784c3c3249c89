"""What a run of mutants says about the tests of an area."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

FOUND_PERCENT_MIN = 90
# How improbable a sample has to be, if the tests found just the least that they must, for it to count as a failure.
SIGNIFICANCE = 0.01


@dataclass(frozen=True)
class Score:
    """How many mutants of an area were tried, whether those are all, and which of them no test noticed."""

    area: str
    tried: int
    survivors: tuple[str, ...]
    is_sample: bool = False

    @property
    def found_percent(self) -> float:
        """How many were found."""
        return 100 * (1 - len(self.survivors) / self.tried) if self.tried else 0.0

    @property
    def fault(self) -> str | None:
        """Why the area fails; None if it passes.

        A sample scatters about the true share. It fails by a one-sided binomial test: only when so many survivors
        would be rare even if the tests found no more than they must.
        """
        if not self.tried:
            return "no mutant was tried: does the area name files that exist, and do they hold functions?"
        if not self.is_sample:
            return f"fewer than {FOUND_PERCENT_MIN} % found" if self.found_percent < FOUND_PERCENT_MIN else None
        if _probability_of_at_least(len(self.survivors), self.tried, 1 - FOUND_PERCENT_MIN / 100) < SIGNIFICANCE:
            return f"so many survivors in {self.tried} rule out that {FOUND_PERCENT_MIN} % of all mutants are found"
        return None

    def tell(self) -> None:
        """Print it."""
        print(f"{self.area}: {self.tried - len(self.survivors)} of {self.tried} found ({self.found_percent:.0f} %)")
        for survivor in self.survivors:
            print(f"  survived: {survivor}")
        if self.fault is not None:
            print(f"  FAILED: {self.fault}")
        sys.stdout.flush()


def _probability_of_at_least(count: int, trials: int, probability: float) -> float:
    """The upper tail of the binomial distribution."""
    return math.fsum(
        math.comb(trials, hits) * probability**hits * (1 - probability) ** (trials - hits)
        for hits in range(count, trials + 1)
    )
