"""The conformance list of the reference as a checklist: each item with the tests that show it.

What needs sockets, processes or the library inside a service is named with nothing behind it.
"""

import ast
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TESTS = HERE.parents[1]

ELSEWHERE: tuple[str, ...] = ()
"""Shown where sockets and processes are: the library, and the whole application under traffic."""

SYNTAX = {
    "every case of the syntax vectors": (
        "protocols/ssmmp/test_text.py::test_accept", "protocols/ssmmp/test_text.py::test_reject",
        "protocols/ssmmp/test_kinds.py::test_every_value_of_the_vectors",
    ),
    "the three framings": (
        "protocols/ssmmp/test_text.py::test_every_hop_is_read_alike_in_each_framing",
        "protocols/ssmmp/test_text.py::test_every_hop_is_written_as_printed",
    ),
    "split at every byte": ("protocols/ssmmp/test_framing.py::test_split_at_every_byte",),
    "limits": ("protocols/ssmmp/test_framing.py::test_limits_break_and_bound",
               "protocols/ssmmp/test_framing.py::test_limits_are_kept_to_the_byte"),
    "captured bytes of the one partner": (
        "protocols/ssmmp/test_text.py::test_every_captured_message_of_the_one_partner",
        "protocols/ssmmp/test_text.py::test_one_of_each_captured",
    ),
}  # fmt: skip
MANAGER = {
    "every flow of the flow vectors": ("test_flows.py::test_flow",),
    "delayed, lost with its connection, repeated": ("test_faults.py::test_every_message",),
    "two agents on one address": (
        "manager/engine/test_agents.py::test_two_agents_on_one_address_share_its_ports",
    ),
    "equal ids from two instances": (
        "manager/engine/test_offers.py::test_requests_of_two_instances_with_equal_ids",
        "agent/engine/test_relay.py::test_equal_ids_of_two_instances",
    ),
    "start storm": ("manager/engine/test_offers.py::test_one_start_for_a_hundred_requests",),
    "refused edge": ("manager/engine/test_offers.py::test_refusals",),
    "failed start, then another node": (
        "manager/engine/test_instances.py::test_a_failed_start_is_tried_on_another_node",
    ),
    "ack lost": ("manager/engine/test_session_lookup.py::test_a_lost_ack_is_resolved_by_an_info",),
    "infos in both orders and twice": (
        "manager/engine/test_session_lookup.py::test_infos_in_both_orders_and_twice",
    ),
    "info for an unknown session": (
        "manager/engine/test_session_lookup.py::test_an_unknown_session_is_counted",
    ),
    "close crossing info": (
        "manager/engine/test_closing.py::test_a_close_request_crosses_a_close_info",
    ),
    "agent killed with open sessions": (
        "manager/engine/test_closing.py::test_a_lost_agent_is_like_the_death_of_all_its_instances",
        "test_mesh.py::test_node_dies",
    ),
    "agent returning within and after agent_lost": (
        "manager/engine/test_reconcile.py::test_return_within_agent_lost",
        "manager/engine/test_reconcile.py::test_return_after_agent_lost",
    ),
    "Manager killed and restarted with all sessions alive": (
        "test_mesh.py::test_kill_and_restart_of_the_manager",
        "test_monkey.py::test_monkey",
    ),
}
AGENT = {
    "repository and port checks": ("agent/engine/test_launches.py::test_refusals_of_a_start",),
    "instance that never attaches": ("agent/engine/test_processes.py::test_it_never_attaches",),
    "instance that never answers": ("agent/engine/test_relay.py::test_close_requests",
                                    "agent/engine/test_health.py::test_health"),
    "instance that ignores graceful shutdown": (
        "agent/engine/test_processes.py::test_graceful_shutdown_declined_ignored_unknown",),
    "instance that leaves children": ELSEWHERE,
    "instance that dies at start": (
        "agent/engine/test_processes.py::test_it_dies_at_start_or_cannot_be_started",),
    "instance that dies later": ("agent/engine/test_processes.py::test_it_dies_later",),
    "instance that speaks for another id": (
        "agent/engine/test_relay.py::test_an_instance_speaks_for_itself_only",
        "agent/engine/test_attachments.py::test_false_hellos"),
    "Manager gone for a minute": (
        "agent/engine/test_link.py::test_the_manager_is_gone_for_a_minute",
    ),
}  # fmt: skip
LIBRARY = {
    "connection refused, then success elsewhere": ELSEWHERE,
    "close request in the middle of a unit of work": ELSEWHERE,
    "agent restart": ELSEWHERE,
    "health while the business logic is blocked": ELSEWHERE,
}
WHOLE = {
    "drain and rolling update under steady traffic": ELSEWHERE,
    "rebalance ends within one session of even": (
        "manager/engine/test_operations.py::test_rebalance_ends_within_one_session_of_even",
    ),
    "nothing left after shutdown": ELSEWHERE,
}

LISTED = {**SYNTAX, **MANAGER, **AGENT, **LIBRARY, **WHOLE}
NAMED = [(item, test) for item, tests in LISTED.items() for test in tests]


def functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    return {one.name for one in tree.body if isinstance(one, ast.FunctionDef)}


@pytest.mark.parametrize(("item", "test"), NAMED)
def test_every_item_has_its_tests(item, test):
    file, _, name = test.partition("::")
    path = TESTS / file if file.startswith("protocols/") else HERE / file
    assert name in functions(path), f"{item}: no {test}"


def test_what_is_shown_elsewhere_is_no_more_than_this():
    assert [item for item, tests in LISTED.items() if not tests] == [
        "instance that leaves children", *LIBRARY,
        "drain and rolling update under steady traffic", "nothing left after shutdown",
    ]  # fmt: skip
