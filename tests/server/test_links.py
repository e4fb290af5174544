"""Links that outlive their handlers: kept, taken over, given back after a failure, retired."""

from ccproxy.config.address import Address
from ccproxy.config.links import LinkOptions
from ccproxy.server.links import Links

NOWHERE = Address.remote("tcp://127.0.0.1:9")
OPTIONS = LinkOptions(linger=0.0)


def get(links, section, sections=(), options=OPTIONS):
    return links.get((section, str(NOWHERE)), NOWHERE, options, sections)


async def test_a_section_has_one_link_to_an_address(kit):
    links = Links(kit())
    one = get(links, "h:a", ["h:a"])
    assert get(links, "h:a", ["h:a"]) is one and list(links) == [one]
    assert get(links, "h:b", ["h:a", "h:b"]) is not one
    await links.stop(0)


async def test_a_renamed_section_takes_the_link_over(kit):
    links = Links(kit())
    one = get(links, "h:a", ["h:a"])
    assert get(links, "h:b", ["h:b"]) is one and one.name == "h:b"
    await links.stop(0)


async def test_what_was_changed_can_be_turned_back(kit):
    links = Links(kit())
    one = get(links, "h:a", ["h:a"])
    before = links.state()
    get(links, "h:b", ["h:b"], LinkOptions(queue=2048))
    other = get(links, "h:c", ["h:b", "h:c"])
    links.restore(before)
    assert one.name == "h:a" and one.options == OPTIONS
    assert list(links) == [one, other]
    links.retire({one})
    assert list(links) == [one] and len(links.queues()) == 2
    await links.stop(0)


async def test_what_waited_is_counted(kit, until):
    links = Links(kit())
    one = get(links, "h:a")
    one.outbox.offer(b"\0\1x", 1)
    links.retire(())
    assert one.outbox.name == "h:a (replaced)"
    await until(lambda: not links.queues())
    assert links.past.queued == 1 and links.past.dropped == {"stop": 1}
    await links.stop(0)


async def test_one_link_can_be_released(kit, until):
    links = Links(kit())
    one, other = get(links, "h:a"), get(links, "h:b", ["h:a", "h:b"])
    links.release(one)
    assert list(links) == [other]
    await until(lambda: links.queues() == [other.outbox])
    assert one.state == "gone"
    await links.stop(0)
