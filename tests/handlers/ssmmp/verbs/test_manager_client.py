"""Questions to a Manager, with its answers made up."""

from types import SimpleNamespace

import pytest

from ccproxy_handlers.ssmmp.verbs.manager_client import ManagerClient, RefusedByManager


class Answers:
    """In place of a Client: the answers in their order, and what was asked."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    def request(self, type, value, timeout):
        self.asked.append((type, value, timeout))
        return SimpleNamespace(value=self.answers.pop(0))


def test_a_question_has_the_timeout_of_the_verb_or_its_own():
    client = Answers({"app": "shop"}, {})
    manager = ManagerClient(client, 5.0)
    assert manager.ask("summary", {}) == {"app": "shop"}
    manager.ask("graph", {"form": "dot"}, 2.0)
    assert client.asked == [("mesh.summary", {}, 5.0), ("mesh.graph", {"form": "dot"}, 2.0)]


def test_an_error_is_a_refusal():
    with pytest.raises(RefusedByManager, match="not from here"):
        ManagerClient(Answers({"error": "not from here"}), 5.0).ask("summary", {})


def test_rows_are_asked_for_page_by_page():
    client = Answers({"rows": [1, 2], "next": 2}, {"rows": [3], "next": None})
    assert list(ManagerClient(client, 5.0).rows("sessions", all=True)) == [1, 2, 3]
    assert [value for _, value, _ in client.asked] == [
        {"what": "sessions", "after": None, "all": True},
        {"what": "sessions", "after": 2, "all": True},
    ]


def test_one_operation_is_found_by_its_number():
    row = {"operation": 7}
    client = Answers({"rows": [row]}, {"rows": []}, {"rows": [{"operation": 9}]})
    manager = ManagerClient(client, 5.0)
    assert manager.operation(7, 2.0) == row
    assert client.asked[0][1] == {"what": "operations", "after": 6, "most": 1}
    for _ in range(2):
        with pytest.raises(RefusedByManager, match="no operation 8"):
            manager.operation(8, 2.0)
