import pytest

from ccproxy_handlers.ssmmp.commands import Scale

WISH = "orders_client orders orders_api"


@pytest.fixture
def alone(make_talk):
    """One agent with web (1) and orders (2), one open session."""
    talk = make_talk()
    talk.start()
    talk.ready(talk.register("a", "fd00::1", "web,orders,store", "x_ssmmp=1"))
    talk.ready(talk.ask("a", 1, 9, WISH))
    talk.ack("a", 9, 40000)
    return talk


RUNNING = "((web,1,54001);(orders,2,54002))"


def back(talk, extra, peer="b"):
    return talk.register(peer, "fd00::1", "web,orders,store", extra)


def kills(lines):
    return [int(line.rpartition("=")[2]) for line in lines if " hard_shutdown_request " in line]


def test_return_within_agent_lost(alone):
    alone.gone("a")
    assert [alone.row(key).state for key in (1, 2)] == ["UNKNOWN", "UNKNOWN"]
    alone.wait(20)
    lines = back(alone, f"x_ssmmp=1 x_running={RUNNING}")
    assert lines == ["b initiation_response 7 status=208 x_ssmmp=1"]
    assert [alone.row(key).state for key in (1, 2)] == ["RUNNING", "RUNNING"]
    assert alone.session(1).state == "OPEN"


def test_return_after_agent_lost(alone):
    alone.gone("a")
    alone.wait(31)
    assert [alone.row(key).state for key in (1, 2)] == ["FAILED", "FAILED"]
    assert alone.session(1).state == "CLOSED"
    lines = back(alone, f"x_ssmmp=1 x_running={RUNNING}")
    assert lines[0] == "b initiation_response 7 status=205 x_ssmmp=1"
    assert sorted(kills(lines)) == [1, 2]
    assert any(" execution_request " in line for line in lines)


def test_return_of_one_that_says_nothing(alone):
    alone.gone("a")
    lines = back(alone, "")
    assert lines[0] == "b initiation_response 7 status=205"
    assert sorted(kills(lines)) == [1, 2]
    assert [alone.row(key).state for key in (1, 2)] == ["FAILED", "FAILED"]


def test_return_of_one_that_has_nothing(alone):
    alone.gone("a")
    lines = back(alone, "x_ssmmp=1 x_running=()")
    assert lines[0] == "b initiation_response 7 status=208 x_ssmmp=1"
    assert kills(lines) == []
    assert not alone.row(2).ports_reserved


def test_what_is_not_known_is_killed(alone):
    alone.gone("a")
    lines = back(alone, "x_ssmmp=1 x_running=((web,1,54001);(orders,2,54002);(mail,77,54009))")
    assert kills(lines) == [77]
    assert any(one.what == "stranger" for one in alone.notices)


def test_an_instance_under_another_name_is_not_adopted(alone):
    alone.gone("a")
    lines = back(alone, "x_ssmmp=1 x_running=((web,1);(store,2))")
    assert kills(lines) == [2] and alone.row(2).state == "FAILED"


def test_a_new_agent_with_instances_that_are_not_known(make_talk):
    talk = make_talk()
    lines = talk.register("a", "fd00::1", "web", "x_ssmmp=1 x_running=((web,5,54001))")
    assert lines[0] == "a initiation_response 7 status=205 x_ssmmp=1"
    assert kills(lines) == [5]


def test_nonsense_in_the_extension_lines_is_nothing(alone):
    alone.gone("a")
    lines = back(alone, "x_ssmmp=1 x_running=((web,x);(((1 x_sessions=((1,2)")
    assert lines[0] == "b initiation_response 7 status=208 x_ssmmp=1"


def test_the_manager_is_killed_and_its_agents_return(alone):
    before = alone.manager.state.store.tables()["session"]
    alone.now += 1000
    assert alone.restart() == []
    assert alone.manager.state.store.agents["fd00::1"].state == "SUSPECT"
    lines = back(alone, f"x_ssmmp=1 x_running={RUNNING}")
    assert lines == ["b initiation_response 7 status=208 x_ssmmp=1"]
    assert [alone.row(key).state for key in (1, 2)] == ["RUNNING", "RUNNING"]
    assert alone.manager.state.store.tables()["session"] == before
    lines = alone.ready(alone.do(Scale("orders", 2)))
    assert alone.row(3).state == "RUNNING"


def test_an_instance_that_was_starting_when_the_manager_died(talk):
    (line,) = [one for one in talk.do(Scale("orders", 1)) if "execution_request" in one]
    peer = line.split()[0]
    address = "fd00::1" if peer == "a" else "fd00::2"
    talk.restart()
    talk.register(peer, address, "orders", f"x_ssmmp=1 x_running=((orders,2,{54001}))")
    assert talk.row(2).state == "RUNNING"


def test_an_instance_that_was_about_to_end(alone):
    alone.do(Scale("orders", 0))
    assert alone.row(2).state == "DRAINING"
    alone.gone("a")
    lines = back(alone, f"x_ssmmp=1 x_running={RUNNING}")
    assert alone.row(2).state == "DRAINING"
    assert any(" source_service_session_close_request " in line for line in lines)


OPEN = "(1,orders_client,40000,fd00::1,{port},{port})"


def test_sessions_that_ended_meanwhile(alone):
    alone.gone("a")
    back(alone, f"x_ssmmp=1 x_running={RUNNING} x_sessions=()")
    assert alone.session(1).state == "HALF_CLOSED"


def test_sessions_that_live_on_and_one_whose_ack_was_lost(alone):
    port = alone.row(2).sockets[0][1]
    alone.ask("a", 1, 10, WISH)
    alone.ask("a", 1, 11, WISH)
    alone.ask("a", 1, 12, WISH)
    alone.gone("a")
    told = [f"(1,orders_client,{m},fd00::1,{port},{port})" for m in (40000, 40001, 0)]
    back(alone, f"x_ssmmp=1 x_running={RUNNING} x_sessions=({';'.join(told)})")
    states = [(alone.session(n).state, alone.session(n).from_port) for n in (1, 2, 3, 4)]
    assert states == [("OPEN", 40000), ("OPEN", 40001), ("OFFERED", 0), ("CLOSED", 0)]


def test_lists_that_go_on_in_other_lines(alone):
    """A line has an end; what a busy node runs may not fit into one."""
    alone.gone("a")
    told = "((1,orders_client,40000,fd00::1,54002,54002))"
    more = "x_running=((web,1,54001)) x_running_2=((orders,2,54002)) x_sessions=()"
    lines = back(alone, f"x_ssmmp=1 {more} x_sessions_2={told} x_sessions_4=((9))")
    assert lines == ["b initiation_response 7 status=208 x_ssmmp=1"]
    assert [alone.row(key).state for key in (1, 2)] == ["RUNNING", "RUNNING"]
    assert alone.session(1).state == "OPEN"


def test_numbers_that_are_none_are_left_out(talk):
    digits = "9" * 5000
    talk.gone("a")
    said = talk.register(
        "c", "fd00::1", "web,orders",
        f"x_running=((web,1);(orders,{digits});(orders,\u0663)) "
        f"x_sessions=((1,orders_client,{digits},fd00::2,1,2))",
    )  # fmt: skip
    assert "status=208" in said[0] and not any("hard_shutdown" in line for line in said)
    assert talk.row(1).state == "RUNNING"


class Counted(str):
    """A text that counts how often it is compared."""

    compared = 0

    def __eq__(self, other):
        Counted.compared += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


def test_many_sessions_of_one_instance_are_found_without_a_look_at_the_others(talk):
    talk.ready(talk.ask("a", 1, 9, "orders_client orders orders_api"))
    talk.checks = False
    for id in range(100, 700):
        talk.ask("a", 1, id, "orders_client orders orders_api")
        talk.ack("a", id, 10_000 + id)
    rows = [one for one in talk.manager.state.store.sessions.values() if one.from_port]
    assert len(rows) == 600
    told = [
        ("1", "orders_client", str(one.from_port), Counted(one.to_address), str(one.to_port), "1")
        for one in rows[1:]
    ]
    talk.manager.state.begin(talk.now)
    agent = talk.manager.state.store.agents[talk.row(1).agent]
    Counted.compared = 0
    talk.manager.reconciler._sessions(agent, told)
    assert Counted.compared < 10 * len(rows)
    closed = [one for one in rows if talk.session(one.key).state != "OPEN"]
    assert closed == rows[:1], "the one that was not told"
