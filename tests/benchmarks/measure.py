"""Interleaved measuring: all variants in turn, round after round, so that a change of the machine's speed meets all."""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Sample = Mapping[str, float]
"""Figures of one run of one variant, by name."""


@dataclass(frozen=True)
class Spread:
    """One figure over all rounds."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))

    def __str__(self) -> str:
        return f"{self.median:9.3f}  [{self.least:.3f} … {self.most:.3f}]"


class Rounds:
    """The samples of several variants, taken in turn."""

    def __init__(self, variants: Mapping[str, Callable[[], Sample]], rounds: int) -> None:
        self._samples: dict[str, list[Sample]] = {name: [] for name in variants}
        for number in range(rounds + 1):
            for name, run in variants.items():
                gc.collect()
                sample = run()
                # The first round warms caches and is not counted.
                if number:
                    self._samples[name].append(sample)

    def above(self, variant: str, base: str, figure: str) -> Spread:
        """How much more a variant takes than another, round by round."""
        pairs = zip(self._samples[variant], self._samples[base], strict=True)
        return Spread.of([one[figure] - other[figure] for one, other in pairs])

    def floors(self, variant: str, floor: str, base: str, figure: str) -> Spread:
        """How many times what a floor takes above the base a variant takes above it, round by round: the machine's
        speed of the moment is in both."""
        taken = zip(self._samples[variant], self._samples[floor], self._samples[base], strict=True)
        return Spread.of([(one[figure] - bare[figure]) / (least["loop"] - bare["loop"]) for one, least, bare in taken])

    def ratio(self, variant: str, base: str, figure: str) -> Spread:
        """How many times as much, round by round."""
        pairs = zip(self._samples[variant], self._samples[base], strict=True)
        return Spread.of([one[figure] / other[figure] for one, other in pairs])

    def spread(self, variant: str, figure: str) -> Spread:
        """A variant's own figure."""
        return Spread.of([sample[figure] for sample in self._samples[variant]])
