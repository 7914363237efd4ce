"""Whether a request is recorded: every combination of what the decision depends on."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import pytest

from tracekit.config import SystemSettings
from tracekit.policy import conditions, should_enable_task_trace
from tracekit.types import Actor, Decision

BOTH = (True, False)
USER, ADMIN = Actor("ann", is_admin=False), Actor("root", is_admin=True)
ACTORS = (None, USER, ADMIN)
SAID = (None, True, False)

# (`task_trace_env`, environment of the process)
HERE = (("dev", "dev"), ("prod", "prod"), ("both", "dev"), ("both", "prod"))
ELSEWHERE = (("dev", "prod"), ("prod", "dev"))

# (`task_trace_admin_only`, who asks)
ALLOWED = ((True, ADMIN), (False, None), (False, USER), (False, ADMIN))
NOT_ALLOWED = ((True, None), (True, USER))


@dataclass(frozen=True)
class Row:
    """A line of the truth table: all combinations of these values have this answer."""

    record: bool
    why: str
    enabled: tuple[bool, ...] = BOTH
    where: tuple[tuple[str, str], ...] = HERE + ELSEWHERE
    who: tuple[tuple[bool, Actor | None], ...] = ALLOWED + NOT_ALLOWED
    requested: tuple[bool | None, ...] = SAID
    default_on: tuple[bool, ...] = BOTH


TABLE = (
    Row(False, "disabled", enabled=(False,)),
    Row(False, "environment", enabled=(True,), where=ELSEWHERE),
    Row(False, "admin_only", enabled=(True,), where=HERE, who=NOT_ALLOWED),
    Row(True, "requested", enabled=(True,), where=HERE, who=ALLOWED, requested=(True,)),
    Row(False, "declined", enabled=(True,), where=HERE, who=ALLOWED, requested=(False,)),
    Row(True, "default_on", enabled=(True,), where=HERE, who=ALLOWED, requested=(None,), default_on=(True,)),
    Row(False, "not_requested", enabled=(True,), where=HERE, who=ALLOWED, requested=(None,), default_on=(False,)),
)

Combination = tuple[bool, tuple[str, str], tuple[bool, Actor | None], bool | None, bool]

COMBINATIONS: list[Combination] = list(
    product(BOTH, product(("dev", "prod", "both"), ("dev", "prod")), product(BOTH, ACTORS), SAID, BOTH)
)


def _covers(row: Row, combination: Combination) -> bool:
    columns = (row.enabled, row.where, row.who, row.requested, row.default_on)
    return all(value in column for value, column in zip(combination, columns, strict=True))


def _settings(combination: Combination) -> SystemSettings:
    enabled, (env, _), (admin_only, _), _, default_on = combination
    return SystemSettings.model_validate(
        {
            "task_trace_enabled": enabled,
            "task_trace_env": env,
            "task_trace_admin_only": admin_only,
            "task_trace_default_on": default_on,
        }
    )


def _decide(combination: Combination) -> Decision:
    _, (_, environment), (_, actor), requested, _ = combination
    return should_enable_task_trace(_settings(combination), environment, actor, requested)


def test_the_table_has_each_combination_once() -> None:
    """432 combinations, and exactly one line for each, so that no line hides another."""
    assert len(COMBINATIONS) == 432
    assert [sum(_covers(row, combination) for row in TABLE) for combination in COMBINATIONS] == [1] * 432


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.why)
def test_every_combination_has_the_answer_of_its_line(row: Row) -> None:
    """The whole truth table, and the reason that is stored with the trace."""
    combinations = [combination for combination in COMBINATIONS if _covers(row, combination)]
    assert combinations
    assert {_decide(combination) for combination in combinations} == {Decision(row.record, row.why)}


def test_without_being_configured_nothing_is_recorded() -> None:
    """The defaults record nothing, even for an admin who asks."""
    assert not any(
        should_enable_task_trace(SystemSettings.model_validate({}), environment, actor, requested).record
        for environment, actor, requested in product(("dev", "prod"), ACTORS, SAID)
    )


def test_what_people_are_told_to_clear_away_is_what_stands_in_the_way() -> None:
    """Whoever meets all conditions is recorded, and a request that is not recorded met one of them."""
    for combination in COMBINATIONS:
        _, (_, environment), (_, actor), requested, _ = combination
        left = set(conditions(_settings(combination), environment))
        if actor is ADMIN:
            left.discard("admin_only")
        if requested is not None:
            left.discard("not_requested")
        decision = _decide(combination)
        assert decision.record == (not left and requested is not False)
        assert decision.record or decision.why in left | {"declined"}
