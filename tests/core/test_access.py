"""What a peer with a name may send: its view of the flow table."""

import gc

from ccproxy.core.access import AccessTable
from ccproxy.core.flows import FlowTable, Target
from ccproxy.core.ingress import Ingress
from ccproxy.core.rights import Rights
from ccproxy.core.runs import MessageSource, PeerInput
from ccproxy.core.switch import Switch
from ccproxy.core.typed import Given, TopicIngress
from ccproxy.wire.cc import CcCodec
from ccproxy.wire.zmtp.frames import pack

SENSOR = Rights("sensor", ("log.*", "job"), ("a.",))


class Said(list):
    """Notices that are only kept."""

    def __getattr__(self, name):
        return lambda *facts: self.append((name, *map(str, facts[:2])))


def table(limit=100):
    made = FlowTable(limit, lambda type: Target(reason=type.decode()))
    access = AccessTable(made, lambda type: made.miss(type))
    access.configure({("curve", "key"): SENSOR})
    return made, access


def test_without_a_section_the_table_itself_is_used():
    made, access = table()
    assert access.rights("curve", "other") is None
    assert access.access(None).flows is made.flows
    assert access.access(Rights("only-named")).flows is made.flows


def test_a_view_shares_the_flows_of_the_table_and_refuses_the_rest():
    made, access = table()
    given = access.access(access.rights("curve", "key"))
    flow = given.miss(b"log.info")
    assert made.flows[b"log.info"] is flow is given.flows[b"log.info"]
    assert given.miss(b"other").target.fate == "refused"
    assert b"other" not in given.flows and b"other" not in made.flows
    assert access.access(SENSOR).flows is given.flows


def test_commands_are_for_those_who_may_operate():
    made, access = table()
    other, operator = Rights("other"), Rights("operator", operate=True)
    access.configure({}, ("relocate.", "mesh."))
    given = access.access(other)
    assert given.miss(b"relocate.sum").target.fate == "refused"
    assert given.miss(b"relocate").target.fate == "refused"
    assert given.miss(b"relocated").target.fate != "refused"
    assert access.access(operator).flows is access.access(None).flows is made.flows
    limited = access.access(Rights("some", ("mesh.list",), operate=True))
    assert limited.miss(b"mesh.list").target.fate != "refused"
    assert limited.miss(b"mesh.stop").target.fate == "refused"
    access.configure({})
    assert not given.flows
    assert given.miss(b"relocate.sum").target.fate != "refused"


def test_one_type_can_be_asked_for_without_a_view():
    _, access = table()
    access.configure({("tls", "x"): SENSOR, ("tls", "y"): Rights("y")}, ("relocate.",))
    assert access.refusal("tls", "x", "log.info") == access.refusal("tls", "other", "a") == ""
    assert access.refusal("tls", "x", "logs") == "sensor"
    assert (access.refusal("tls", "y", "relocate.z"), access.refusal("tls", "y", "a")) == ("y", "")


def test_a_view_forgets_with_the_table():
    made, access = table(limit=2)
    given = access.access(SENSOR)
    for number in range(5):
        given.miss(b"log.%d" % number)
    assert given.flows.keys() == made.flows.keys() == {b"log.3", b"log.4"}
    made.clear()
    assert not given.flows


def test_the_view_of_a_removed_section_is_kept_while_a_peer_has_it():
    made, access = table()
    given = access.access(SENSOR)
    given.miss(b"job")
    access.configure({})
    made.clear()
    assert not given.flows
    given.become(access.access(None))
    gc.collect()
    access.configure({})
    assert made.views == [] and given.flows is made.flows


def test_what_is_not_allowed_is_refused_and_named():
    said = Said()
    switch = Switch(CcCodec("here", lambda: 1.5), said)
    switch.access.configure({("curve", "key"): SENSOR})
    access = switch.access.access(SENSOR)
    source = MessageSource(b"id", "sensor@1.2.3.4:5", "x", access=access)
    ingress = Ingress(switch, PeerInput(source, (9999, 99)))
    run = b"".join(pack([b"", type, b"x"]) for type in (b"job", b"other", b"other", b"log.x", b"?"))
    assert ingress.feed(run)[0] == len(run)
    fates = {name: count for name, count in switch.ledger.fates.items() if count}
    assert fates == {"unrouted": 2, "refused": 3} and switch.ledger.balance() == 0
    assert ("refused", "sensor@1.2.3.4:5", "allow:sensor") in said
    access.become(switch.access.access(None))
    ingress.feed(pack([b"", b"other", b"x"]))
    assert switch.ledger.fates["unrouted"] == 3


def test_topics_are_types_as_well_and_change_with_the_rights():
    said = Said()
    switch = Switch(CcCodec("here", lambda: 1.5), said)
    switch.access.configure({("curve", "key"): SENSOR})
    access = switch.access.access(SENSOR)
    source = MessageSource(b"id", "sensor@1.2.3.4:5", "x", access=access)
    ingress = TopicIngress(switch, PeerInput(source, (9999, 99)), Given(b"log"))
    run = pack([b"a"]) + pack([b""]) + pack([b"a"])
    assert ingress.feed(run)[0] == len(run)
    assert (switch.ledger.fates["unrouted"], switch.ledger.fates["refused"]) == (2, 1)
    access.become(switch.access.access(Rights("sensor", ())))
    ingress.feed(run)
    assert (switch.ledger.fates["unrouted"], switch.ledger.fates["refused"]) == (2, 4)
