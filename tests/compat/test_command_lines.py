"""Command lines: status, stdout, stderr, ready byte and files left, against the reference."""
import pytest

import command_lines
import differences
import differential

NAMED = [pytest.param(case, kind, id=f"{case.id}@{kind}")
         for kind in ("rootful", "rootless") for case in command_lines.CASES if kind in case.worlds]


@pytest.mark.parametrize("case, kind", NAMED)
def test_command_line(pairs, case, kind):
    reference, ours = differential.command_outcomes(pairs(kind), case)
    differential.check(f"{case.id}@{kind}", reference, ours, differences.ROWS)


def test_case_ids_are_unique():
    assert len({case.id for case in command_lines.CASES}) == len(command_lines.CASES)
