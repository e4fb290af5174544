"""Actions stand in the order in which they are to be carried out."""

from ccproxy_handlers.ssmmp.commands import Scale
from ccproxy_handlers.ssmmp.manager import Record, Tell


def test_a_record_stands_before_the_message_that_depends_on_it(talk):
    _, actions = talk.manager.execute(talk.now, Scale("orders", 1))
    [place] = [at for at, one in enumerate(actions) if isinstance(one, Tell)]
    request = actions[place].message
    before = [one.row for one in actions[:place] if isinstance(one, Record)]
    assert request.type == "execution_request"
    assert any(getattr(row, "request", 0) == request.id for row in before)


def test_actions_are_values(talk):
    _, actions = talk.manager.execute(talk.now, Scale("orders", 1))
    assert len(set(map(type, actions))) > 2
    assert all(one == one for one in actions) and all(hash(type(one)) for one in actions)
