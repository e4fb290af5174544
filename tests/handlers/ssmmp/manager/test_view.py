"""What an operator sees of the state."""

import json

import pytest

from ccproxy_handlers.ssmmp.commands import Scale
from ccproxy_handlers.ssmmp.manager import view


def test_everything_is_json(talk):
    talk.ready(talk.do(Scale("orders", 2)))
    talk.ask("a", 1, 9, "orders_client orders orders_api")
    talk.ack("a", 9, 40000)
    found = view.status(talk.manager, talk.now + 3)
    assert found["alarms"] == []
    assert json.loads(json.dumps(found)) == found
    assert {one["agent"] for one in found["agents"]} == {"fd00::1", "fd00::2"}
    orders = next(one for one in found["services"] if one["service"] == "orders")
    assert (orders["target"], orders["running"], orders["live"]) == (2, 2, 2)
    assert [one["open"] for one in found["edges"]] == [1, 0]
    assert found["operations"][0]["state"] == "done"
    (session,) = view.sessions(talk.manager, talk.now + 3)
    assert session["edge"] == "web.orders_client -> orders.orders_api"
    assert (session["state"], session["since"], session["stuck"]) == ("OPEN", 3.0, False)
    assert sum(one["in"] for one in found["instances"]) == 1


def test_a_clock_that_was_set_back_shows_no_negative_age(talk):
    (row,) = [one for one in view.status(talk.manager, talk.now - 50)["instances"]]
    assert row["since"] == 0.0
    assert {one["heard"] for one in view.status(talk.manager, talk.now - 50)["agents"]} == {0.0}


def test_a_service_says_how_it_starts(talk):
    found = {
        one["service"]: one["start"] for one in view.status(talk.manager, talk.now)["services"]
    }
    assert found == {"web": "eager", "orders": "on-demand", "store": "on-demand"}


def test_a_page_ends_with_the_key_that_the_next_one_comes_after(talk):
    talk.ready(talk.do(Scale("orders", 3)))
    page = view.Page("instances", most=2)
    rows, after = view.page(talk.manager, talk.now, page)
    assert ([one["instance"] for one in rows], after) == ([1, 2], 2)
    rows, after = view.page(talk.manager, talk.now, view.Page("instances", after, most=2))
    assert ([one["instance"] for one in rows], after) == ([3, 4], None)


def test_closed_sessions_are_shown_only_when_all_are_asked_for(talk):
    talk.ready(talk.ask("a", 1, 9, "orders_client orders orders_api"))
    talk.say("a", "session_ack 9 status=502 source_plug_port=0 dest_socket_new_port=0")
    assert view.page(talk.manager, talk.now, view.Page("sessions"))[0] == []
    (row,) = view.page(talk.manager, talk.now, view.Page("sessions", all=True))[0]
    assert row["state"] == "CLOSED"


@pytest.mark.parametrize(
    ("page", "says"),
    [
        (view.Page("cats"), "no table 'cats', expected one of agents,"),
        (view.Page("agents", 3), "expected a name"),
        (view.Page("sessions", True), "expected a number"),
    ],
)
def test_what_is_no_page_is_a_value_error(talk, page, says):
    with pytest.raises(ValueError, match="expected") as error:
        view.page(talk.manager, talk.now, page)
    assert says in str(error.value)


def test_the_summary_counts_by_state(talk):
    talk.ready(talk.ask("a", 1, 9, "orders_client orders orders_api"))
    assert view.summary(talk.manager) == {
        "app": "app", "agents": {"REGISTERED": 2}, "instances": {"RUNNING": 2},
        "sessions": {"OFFERED": 1}, "operations": {}, "alarms": 0,
    }  # fmt: skip


def test_the_overview_is_what_the_page_shows(talk):
    talk.ready(talk.ask("a", 1, 9, "orders_client orders orders_api"))
    found = view.overview(talk.manager, talk.now)
    whole = view.status(talk.manager, talk.now)
    assert [one["agent"] for one in found["nodes"]] == [one["agent"] for one in whole["agents"]]
    assert [one["instances"] for one in found["nodes"]] == [
        len(one["instances"]) for one in whole["agents"]
    ]
    assert found["services"][0].items() <= whole["services"][0].items()
    assert found["instances"][0].items() <= whole["instances"][0].items()
    assert found["sessions"] == whole["edges"]


def test_the_overview_stays_short(talk, monkeypatch):
    talk.ready(talk.ask("a", 1, 9, "orders_client orders orders_api"))
    monkeypatch.setattr(view, "MOST_ROWS", 1)
    monkeypatch.setattr(view, "MOST_NODES", 1)
    assert {len(one) for one in view.overview(talk.manager, talk.now).values()} == {1}
