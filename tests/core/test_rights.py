"""What a section allows."""

from ccproxy.core.rights import PeerAccess, Rights

SENSOR = Rights("sensor", ("log.*", "job"), ("a.",))


def test_what_is_allowed():
    assert SENSOR.may_send("log.info") and SENSOR.may_send("job") and not SENSOR.may_send("jobs")
    assert SENSOR.may_subscribe(b"a.b") and not SENSOR.may_subscribe(b"a")
    assert not SENSOR.may_subscribe(b"")
    assert Rights("x").may_send("anything") and Rights("x").may_subscribe(b"")
    assert not Rights("x", ()).may_send("anything")


def test_access_can_become_another():
    one, other = PeerAccess({}, len), PeerAccess({b"a": 1}, bool, SENSOR)
    one.become(other)
    assert (one.flows, one.miss, one.rights) == (other.flows, bool, SENSOR)


def test_a_change_of_rights_is_told_once():
    access, told = PeerAccess({}, len), []
    access.changed = lambda: told.append(access.rights)
    access.become(PeerAccess({}, len, SENSOR))
    access.become(PeerAccess({1: 2}, len, SENSOR))
    assert told == [SENSOR]
