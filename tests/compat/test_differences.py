"""The table of intended differences holds nothing that does not occur any more."""
import functools

import pytest

import api_requests
import command_lines
import differences
import differential
import test_api_requests
import test_interface_state


def named_outcomes(kind):
    """{case name: a function that gives both outcomes of it, from a pair}."""
    named = {f"{case.id}@{kind}": functools.partial(differential.command_outcomes, case=case)
             for case in command_lines.CASES if kind in case.worlds}
    for scenario, requests in api_requests.SCENARIOS.items():
        for id_ in [request.id for request in requests] + ["log"]:
            named[f"api/{scenario}/{id_}@{kind}"] = functools.partial(
                test_api_requests.outcomes, scenario=scenario, id_=id_)
    for case in test_interface_state.CASES:
        named[f"interface/{case}@{kind}"] = functools.partial(test_interface_state.states, case=case)
    return named


@pytest.mark.parametrize("row", differences.ROWS, ids=lambda row: row.cases)
def test_row_occurs(pairs, row):
    """Somewhere the reference shows its side of the row."""
    for kind in ("rootful", "rootless"):
        for name, outcomes in named_outcomes(kind).items():
            if row.matches(name):
                reference, _ = outcomes(pairs(kind))
                if row.apply(reference)[1]:
                    return
    pytest.fail(f"no case shows it: {row.reason}")


def test_every_row_has_a_reason():
    assert all(row.reason and row.changes for row in differences.ROWS)
