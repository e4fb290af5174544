"""What `check` says of groups."""

import pytest

SERVER = """
    [ccserver]
    cc-socket = tcp://127.0.0.1:1
    cc-role = local
    [routes]
    data = h:group
    {routes}
    [h:group]
    handler = failover
    to = {to}
    [h:lux]
    handler = proxy
    remote-cc = tcp://127.0.0.1:2
    {lux}
    [h:dub]
    handler = proxy
    remote-cc = tcp://127.0.0.1:3
    heartbeat = 2 s
    {more}
"""


@pytest.fixture
def said(ini, call):
    """What `check` says of a group, without the place in the file."""

    def said(to="h:lux, h:dub", routes="", lux="heartbeat = 2 s", more=""):
        ini(SERVER.format(to=to, routes=routes, lux=lux, more=more))
        status, out, err = call("check", "x.ini")
        lines = [line.partition(": ")[2] for line in (out + err).splitlines()]
        return status, [line for line in lines if "group" in line or "heartbeat" in line]

    return said


def test_a_good_group_is_good(said):
    assert said() == (0, [])


def test_a_member_is_named_once(said):
    assert said("h:lux, h:lux, h:dub") == (78, ["[h:group] names h:lux 2 times"])


def test_one_member_is_no_group(said):
    status, [line] = said("h:lux", routes="x = h:dub")
    assert status == 0
    assert line.startswith("warning: [h:group] has one member: nothing can take its place")


def test_a_member_belongs_to_the_group_alone(said):
    status, [line] = said(routes="log = h:lux")
    assert status == 78
    assert line.startswith('[h:lux] is a member of [h:group], and route "log" leads to it as well')
    other = "[h:other]\n    handler = balance\n    to = h:lux, h:dub\n"
    status, lines = said(routes="log = h:other", more=other)
    assert status == 78 and len(lines) == 4  # two members, told of both groups
    assert sum("and [h:other] leads to it" in line for line in lines) == 2


def test_a_member_has_a_link(said):
    more = "[h:echo]\n    handler = echo\n"
    status, [line] = said("h:lux, h:dub, h:echo", more=more)
    assert status == 78
    assert line.startswith("[h:echo] cannot be a member of [h:group]: it has no link")


def test_what_is_published_has_no_one_destination(said):
    more = "[h:pub]\n    handler = zmq\n    socket = pub\n    bind = tcp://127.0.0.1:9\n"
    status, lines = said("h:lux, h:dub, h:pub", more=more)
    assert status == 78 and "[h:pub] cannot be a member" in lines[0]


def test_a_member_without_heartbeat_is_warned_of(said):
    status, [line] = said(lux="")
    assert status == 0 and "[h:lux] has no heartbeat: a far side that stands still" in line
    assert said(lux="delivery = acknowledged") == (0, [])


def test_circles_are_found(said):
    status, lines = said("h:lux, h:dub, h:group")
    assert status == 78
    assert any("goes round in a circle: h:group -> h:group" in line for line in lines)
