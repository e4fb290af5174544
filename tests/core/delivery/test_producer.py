"""The engine of a client as transcripts; test_model.py explores it together with a server."""

import pytest

from ccproxy.core.delivery.producer import (
    CANNOT,
    CLOSED,
    SENDING,
    MessageEnd,
    ProducedMessage,
    ProducerEngine,
)
from ccproxy.core.delivery.store import MessageNumber


def engine_of(count: int, epoch: int = 7, restored=()) -> ProducerEngine:
    engine = ProducerEngine(epoch, restored)
    for number in range(count):
        engine.add([b"%d" % number], 10)
    return engine


def restored(epoch: int, *numbers: int) -> list[ProducedMessage]:
    return [ProducedMessage(MessageNumber(epoch, number), [b"old"], 10) for number in numbers]


def all_sent(engine: ProducerEngine) -> list[MessageNumber | int]:
    """What goes out: announcements, and the numbers of messages."""
    sent = []
    while engine.ready:
        sent.append(send_one(engine))
    assert engine.take() is None
    return sent


def send_one(engine: ProducerEngine) -> MessageNumber | int:
    one = engine.take()
    if not isinstance(one, ProducedMessage):
        return one
    engine.written(one.place)
    return one.place.number


def test_from_one_connection_to_the_next():
    engine = engine_of(3)
    assert (engine.state, all_sent(engine), len(engine), engine.bytes) == (CLOSED, [], 3, 30)
    engine.have({})
    assert engine.state == SENDING
    assert all_sent(engine) == [(7, 1), 1, 2, 3]
    engine.add([], 10)
    assert all_sent(engine) == [4]
    engine.disconnected()
    engine.add([], 10)
    assert (engine.state, all_sent(engine)) == (CLOSED, [])
    engine.have({7: 2})
    assert all_sent(engine) == [(7, 3), 3, 4, 5]
    assert len(engine.acknowledged(MessageNumber(7, 5), "safe")) == 5
    assert (len(engine), engine.bytes) == (0, 0)


def test_the_server_may_answer_for_what_the_socket_has():
    engine = engine_of(1)
    engine.have({})
    assert engine.take() == (7, 1)
    assert engine.take().sent
    with pytest.raises(ValueError, match="none above 0"):
        engine.acknowledged(MessageNumber(7, 1), "safe")
    engine.written(MessageNumber(7, 1))
    assert len(engine.acknowledged(MessageNumber(7, 1), "safe")) == 1


def test_what_comes_again_was_perhaps_acknowledged_meanwhile():
    engine = engine_of(3)
    engine.have({})
    all_sent(engine)
    engine.disconnected()
    engine.have({7: 1})
    assert engine.take() == (7, 2)
    assert len(engine.acknowledged(MessageNumber(7, 1), "safe")) == 1
    assert all_sent(engine) == [2, 3]


def test_a_late_acknowledgement_of_the_old_connection_counts():
    engine = engine_of(2)
    engine.have({})
    all_sent(engine)
    engine.disconnected()
    [end] = engine.acknowledged(MessageNumber(7, 1), "handed")
    assert (end.message.place, end.kind, end.refusal) == ((7, 1), "handed", "")
    engine.have({})
    assert all_sent(engine) == [(7, 2), 2]


def test_restored_messages_go_first_with_their_own_numbers():
    engine = engine_of(1, restored=[*restored(5, 3, 4), *restored(6, 1)])
    engine.have({5: 3})
    assert all_sent(engine) == [(5, 4), 4, (6, 1), 1, (7, 1), 1]
    ends = engine.acknowledged(MessageNumber(6, 1), "safe")
    assert [end.message.place for end in ends] == [(5, 3), (5, 4), (6, 1)]


def test_an_epoch_that_is_not_here_changes_nothing():
    engine = engine_of(1, restored=restored(5, 3))
    engine.have({4: 9, 5: 9})
    assert engine.acknowledged(MessageNumber(4, 9), "safe") == []
    [end] = engine.acknowledged(MessageNumber(5, 9), "safe")
    assert end.message.place == (5, 3)


@pytest.mark.parametrize(("first", "count"), [(2, 2), (2, 1000)])
def test_what_is_refused_has_its_end_with_the_acknowledgement(first, count):
    engine = engine_of(1000 if count == 2 else 3)
    engine.have({})
    all_sent(engine)
    if count > 2:
        engine._reached[7] = 5000  # as if it had sent so many before
    engine.refused(7, first, count, "full")
    ends = engine.acknowledged(MessageNumber(7, 3), "safe")
    assert [(end.kind, end.refusal) for end in ends] == [("safe", ""), ("", "full"), ("", "full")]
    assert all(isinstance(end, MessageEnd) for end in ends)


def test_no_number_may_be_acknowledged_that_was_not_sent_on_this_connection():
    engine = engine_of(3)
    engine.have({})
    all_sent(engine)
    engine.disconnected()
    engine.have({})
    send_one(engine)
    send_one(engine)
    for wrong in (MessageNumber(7, 2), MessageNumber(7, 1 << 63)):
        with pytest.raises(ValueError, match="it answers for message"):
            engine.acknowledged(wrong, "safe")
        with pytest.raises(ValueError, match="it answers for message"):
            engine.refused(*wrong, 1, "full")
    assert len(engine) == 3
    assert len(engine.acknowledged(MessageNumber(7, 1), "safe")) == 1


def test_but_numbers_in_front_of_the_one_that_was_announced_are_no_fault():
    one = ProducerEngine(9, [ProducedMessage(MessageNumber(8, 5), [b""], 1)])
    one.have({})
    assert one.take() == MessageNumber(8, 5)
    assert one.acknowledged(MessageNumber(8, 4), "handed") == []
    with pytest.raises(ValueError, match="none above 4"):
        one.acknowledged(MessageNumber(8, 5), "handed")


def test_nor_a_number_behind_others_that_it_does_not_have():
    engine = engine_of(1, restored=restored(5, 1))
    engine.have({7: 0, 6: 4})
    engine.disconnected()
    engine.have({5: 1})
    all_sent(engine)
    engine.disconnected()
    engine.have({7: 1})
    with pytest.raises(ValueError, match="message 1 of epoch 0000000000000005"):
        engine.acknowledged(MessageNumber(7, 1), "safe")
    assert len(engine) == 2


def test_what_is_said_of_an_epoch_that_was_not_named_proves_nothing():
    engine = engine_of(1, restored=restored(5, 1))
    engine.have({6: 4})
    assert engine.acknowledged(MessageNumber(5, 1), "safe") == []
    engine.refused(5, 1, 1, "full")
    assert [one.refusal for one in engine] == ["", ""]
    assert all_sent(engine) == [(5, 1), 1, (7, 1), 1]
    [end] = engine.acknowledged(MessageNumber(5, 1), "safe")
    assert (end.kind, end.refusal) == ("safe", "")


def test_no_server_has_what_was_never_sent():
    engine = engine_of(3)
    engine.have({})
    send_one(engine)
    send_one(engine)
    with pytest.raises(ValueError, match="it has message 2, and 1 were sent"):
        engine.have({7: 2})
    engine.have({7: 1})
    assert all_sent(engine) == [(7, 2), 2, 3]


def test_a_server_that_cannot_confirm_is_not_believed():
    engine = engine_of(2)
    engine.have({})
    all_sent(engine)
    engine.cannot("wrong words")
    assert (engine.state, engine.problem, engine.take()) == (CANNOT, "wrong words", None)
    assert engine.acknowledged(MessageNumber(7, 2), "safe") == []
    engine.disconnected()
    assert engine.acknowledged(MessageNumber(7, 2), "safe") == []
    assert (engine.state, engine.problem) == (CLOSED, "")
    engine.have({7: 2})
    assert len(engine.acknowledged(MessageNumber(7, 2), "safe")) == 2


def test_only_what_was_never_sent_can_be_withdrawn():
    engine = engine_of(3)
    first, second, third = engine
    assert engine.withdraw(second)
    assert not engine.withdraw(second)
    engine.have({})
    assert all_sent(engine) == [(7, 1), 1, (7, 3), 3]
    assert not engine.withdraw(third)
    engine.disconnected()
    engine.have({})
    assert not engine.withdraw(first)
    assert all_sent(engine) == [(7, 1), 1, (7, 3), 3]
    assert len(engine.acknowledged(MessageNumber(7, 3), "safe")) == 2
    assert engine.bytes == 0


def test_all_can_be_given_up():
    engine = engine_of(2)
    engine.have({})
    send_one(engine)
    send_one(engine)
    assert [one.sent for one in engine.clear()] == [True, False]
    assert (len(engine), engine.bytes, engine.take()) == (0, 0, None)
    engine.add([], 10)
    assert all_sent(engine) == [(7, 3), 3]
