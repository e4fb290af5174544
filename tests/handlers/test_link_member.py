"""A link as a member of a group."""

from ccproxy import LinkOptions
from ccproxy.testing import FakeLink
from ccproxy.wire.zmtp.frames import pack
from ccproxy_handlers.link_member import LinkMember


def test_it_says_what_the_link_says_and_tells_all_that_watch():
    link = FakeLink("tcp://h:1", LinkOptions(queue=100, queue_messages=3), None)
    member = LinkMember(link)
    assert member.sink is link.outbox and (member.state, member.reason) == ("up", "")
    news = []
    first, second = (lambda: news.append(1)), (lambda: news.append(2))
    member.watch(first)
    member.watch(second)
    link.become("refused")
    assert news == [1, 2] and member.state == "refused"
    for _ in range(2):
        member.unwatch(first)
    link.become("up")
    assert news == [1, 2, 2]


def test_messages_go_from_one_link_to_another_in_order():
    one, two = (LinkMember(FakeLink("tcp://h:1", LinkOptions(queue=2048), None)) for _ in range(2))
    chunks = [pack([bytes(100), b"%d" % number]) for number in range(5)]
    for chunk in chunks:
        one.sink.offer(chunk, 1)
    assert one.waiting == (5, sum(map(len, chunks)))
    two.put_all(one.give_back(300))
    assert (one.waiting[0], two.waiting[0]) == (2, 3)
    two.put_all(one.give_back(1 << 20))
    assert one.waiting == (0, 0) and one.give_back(1) == []
    assert b"".join(map(bytes, two.sink.peek(9))) == b"".join(chunks)
    for box in (one.sink, two.sink):
        assert box.queued == box.sent + box.waiting


def test_room_is_below_the_limits():
    member = LinkMember(FakeLink("tcp://h:1", LinkOptions(queue=2048, queue_messages=2), None))
    assert member.has_room(2048, 2) and not member.has_room(2049, 1) and not member.has_room(1, 3)
    member.sink.offer(pack([b"x"]), 1)
    assert member.has_room(10, 1) and not member.has_room(2048, 1) and not member.has_room(10, 2)


def test_what_is_in_front_of_the_link_has_a_form_of_its_own():
    link, front = FakeLink("tcp://h:1", LinkOptions(), None), object()
    member = LinkMember(link, "payload", front)
    assert (member.form, member.sink) == ("payload", front)
    assert LinkMember(link).form == "cc"
