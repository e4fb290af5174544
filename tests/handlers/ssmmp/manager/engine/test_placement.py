import pytest


def made(make_talk, options="", app=""):
    talk = make_talk(
        f"[app]\nports = 54001-54004\n{app}\n[service web]\nsockets = s\n{options}\n"
        "[service other]\nsockets = o:54002\n"
    )
    for peer, address in (("a", "fd00::1"), ("b", "fd00::2"), ("c", "fd00::3")):
        talk.register(peer, address, "web,other")
    return talk


def run(talk, service="web", node=""):
    manager = talk.manager
    talk.manager.state.begin(talk.now)
    row = manager.services.plan(manager.state.graph.services[service], node)
    talk.ready(talk.act(talk.manager._done()))
    return talk.row(row.key)


def test_spread(make_talk):
    talk = made(make_talk)
    assert [run(talk).agent for _ in range(4)] == ["fd00::1", "fd00::2", "fd00::3", "fd00::1"]
    assert "spread: 1 of web there" in [n for n in talk.notices if n.what == "placed"][-1].detail


def test_pack(make_talk):
    talk = made(make_talk, "place = pack")
    assert [run(talk).agent for _ in range(3)] == ["fd00::1"] * 3


def test_near(make_talk):
    talk = made(make_talk, "near = other")
    run(talk, "other", "fd00::2")
    assert run(talk).agent == "fd00::2"
    assert [n for n in talk.notices if n.what == "placed"][-1].detail.endswith("near other")


def test_a_requested_node(make_talk):
    talk = made(make_talk)
    assert [run(talk, node="fd00::3").agent for _ in range(2)] == ["fd00::3"] * 2
    assert run(talk, node="nowhere").state == "PLANNED"


def test_ports_are_reserved_per_address_and_rest_before_they_are_used_again(make_talk):
    talk = made(make_talk)
    ports = [run(talk, node="fd00::1").sockets[0][1] for _ in range(3)]
    assert ports == [54001, 54003, 54004]  # 54002 is fixed for another service
    assert run(talk, node="fd00::1").state == "PLANNED"
    assert run(talk, node="fd00::2").sockets[0][1] == 54001


def test_a_fixed_port_once_per_address(make_talk):
    talk = made(make_talk)
    assert run(talk, "other", "fd00::1").sockets == (("o", 54002),)
    assert run(talk, "other", "fd00::1").state == "PLANNED"
    assert run(talk, "other", "fd00::2").state == "RUNNING"


@pytest.mark.parametrize("state", ["SUSPECT", "DRAINED"])
def test_no_place_on_a_node_that_takes_nothing(make_talk, state):
    from ccproxy_handlers.ssmmp.commands import Drain

    talk = made(make_talk)
    if state == "SUSPECT":
        talk.gone("a")
    else:
        talk.do(Drain("fd00::1"))
    assert {run(talk).agent for _ in range(4)} == {"fd00::2", "fd00::3"}
    placement = talk.manager.placement
    assert placement.hopeful("web") and not placement.hopeful("mail")
