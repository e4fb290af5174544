"""The table of events: whole, and what it makes follow."""

from typing import get_args

from ccproxy_handlers.ssmmp.commands import StopInstance
from ccproxy_handlers.ssmmp.manager.engine.events import Changed, Event, SessionGone


def test_every_event_has_receivers(talk):
    assert set(talk.manager._event_receivers) == set(get_args(Event))
    assert all(talk.manager._event_receivers.values())


def test_no_event_is_left_when_a_call_is_over(talk):
    talk.ask("a", 1, 9, "orders_client orders orders_api")
    talk.do(StopInstance(1))
    talk.gone("b")
    talk.wait(100)
    assert not talk.manager.state.pending and not talk.manager.operations.dirty


def test_events_are_handed_out_in_their_order_and_what_they_leave_comes_behind(talk):
    manager, seen = talk.manager, []

    def gone(event):
        seen.append(event)
        if event.instance == 1:
            manager.state.pending.append(SessionGone(3))

    manager._event_receivers = {
        SessionGone: (gone,),
        Changed: (seen.append,),
    }
    manager.state.begin(talk.now)
    manager.state.pending.extend([SessionGone(1), Changed(), SessionGone(2)])
    assert manager._done() == []
    assert seen == [SessionGone(1), Changed(), SessionGone(2), SessionGone(3)]
