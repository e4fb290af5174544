"""Clients whose spool was put back from a backup: what they hear of epochs that are long over."""

import pytest

from ccproxy.core.delivery.confirmations import MOST_SERIES
from ccproxy.core.delivery.producer import ProducedMessage, ProducerEngine
from ccproxy.core.delivery.store import MessageNumber
from ccproxy.core.flows import Target
from ccproxy.net.zmtp.receipts import Clients
from ccproxy.wire.receipts import Greeting
from ccproxy.wire.zmtp.delivery import MOST_EPOCHS, UNKNOWN, Nack
from tests.core.test_ingress import Box
from tests.net.zmtp.test_receipts import SERVER, Voice, ack, turn


@pytest.fixture
def connect():
    clients = Clients(SERVER)
    return lambda name="one", target=None, **options: Voice(
        clients, name, target or Target((Box(99),)), **options
    )


def ends(said, *places):
    """What a client from a backup is told of its messages by these words."""
    restored = [ProducedMessage(MessageNumber(*place), [b""], 1) for place in places]
    engine, found = ProducerEngine(99, restored), {}
    for word in said:
        if isinstance(word, Greeting):
            engine.have(word.places)
        elif isinstance(word, Nack):
            engine.refused(word.epoch, word.first, word.messages, word.reason)
        else:
            for one in engine.acknowledged(MessageNumber(word.epoch, word.number), word.kind):
                found[one.message.place] = one.refusal or one.kind
    return found


async def test_a_client_from_a_backup_hears_the_end_of_an_epoch_long_gone(connect):
    one = connect()
    one.next(1).sink.link.handed(2, 1)[1][0](2, "safe")
    one.next(1, epoch=2)
    for number in range(1, 2 * MOST_SERIES):
        _, receipts = one.sink.link.handed(1, number % 2)
        for receipt in receipts:
            receipt(1, "safe")
    await turn()
    one.close("gone")
    two = connect("from a backup", opening=99)
    found = ends(two.said, (1, 1), (1, 2), (2, 2 * MOST_SERIES - 1))
    assert found == {(1, 1): "handed", (1, 2): "handed", (2, 2 * MOST_SERIES - 1): "safe"}


@pytest.mark.parametrize("last", [4, 5])
async def test_what_only_a_server_before_this_one_can_know_is_in_doubt(connect, last):
    one = connect()
    one.next(5)
    if last == 5:
        one.sink.link.handed(1, 1)[1][0](1, "safe")
    await turn()
    assert one.said[1:] == [ack(5, "safe")][: last - 4]
    one.close("gone")
    two = connect("from a backup", opening=99)
    assert ends(two.said, (1, 3), (1, 4), (1, 5)) == {
        (1, 3): UNKNOWN, (1, 4): UNKNOWN, **({(1, 5): "safe"} if last == 5 else {}),
    }  # fmt: skip


async def test_that_end_waits_for_what_was_sent_before(connect):
    one = connect()
    _, [receipt] = one.next(1).sink.link.handed(1, 1)
    one.next(5, epoch=2)
    one.close("gone")
    two = connect("from a backup", opening=99)
    assert ends(two.said, (1, 1), (2, 4)) == {}
    receipt(1, "safe")
    await turn()
    assert ends(two.said, (1, 1), (2, 4)) == {(1, 1): "safe", (2, 4): UNKNOWN}


async def test_an_epoch_that_comes_back_after_it_was_forgotten_begins_anew(connect):
    one = connect(target=Target((Box(0),)))
    one.next(1).send(1, 2)
    await turn()
    for epoch in range(2, MOST_EPOCHS + 2):
        one.next(3, epoch=epoch)
    one.next(1).send(1)
    await turn()
    one.close("gone")
    two = connect("again")
    assert two.said[0].places[1] == 1
    assert [word for word in two.said[1:] if word.epoch == 1] == [Nack(1, 1, 1, "full"), ack(1)]
