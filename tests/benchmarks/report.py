"""Rows of figures with their floors and budgets."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.measure import Spread


@dataclass(frozen=True)
class Figure:
    """One measured figure. `budget` is in the same unit; None where there is none, as for a floor."""

    name: str
    unit: str
    value: Spread
    budget: float | None = None
    least: bool = False
    """The budget is the least that is wanted, and not the most."""

    @property
    def met(self) -> bool | None:
        """Whether the median keeps to the budget."""
        if self.budget is None:
            return None
        return self.value.median >= self.budget if self.least else self.value.median <= self.budget


def show(title: str, figures: list[Figure]) -> None:
    """Print a table."""
    print(f"\n{title}")
    print(f"  {'':52} {'median':>9}  [least … most]{'':14} budget")
    for figure in figures:
        budget = "" if figure.budget is None else f"{figure.budget:g}  {'met' if figure.met else 'NOT MET'}"
        print(f"  {figure.name + ' (' + figure.unit + ')':52} {figure.value!s:38} {budget}")
