import pytest

from ccproxy_handlers.ssmmp.commands import Scale, StopInstance

WISH = "orders_client orders orders_api"


def requests(lines, type="execution_request"):
    return [line for line in lines if line.split()[1] == type]


def peer_of(talk, key):
    return talk.manager.state.store.agents[talk.row(key).agent].peer


def started(talk):
    talk.ready(talk.do(Scale("orders", 1)))
    return 2


def test_execution_request_says_everything(talk):
    (line,) = requests(talk.do(Scale("orders", 1)))
    peer, _, id, *fields = line.split()
    row = talk.row(2)
    assert fields == [
        f"agent_network_address={row.address}", "service_name=orders", "service_instance_id=2",
        f"socket_configuration=((orders_api,{row.sockets[0][1]}))",
        "plug_configuration=((store_client,store))",
    ]  # fmt: skip
    assert (row.state, row.ports_reserved, row.request) == ("STARTING", True, int(id))


@pytest.mark.parametrize("status", [404, 429, 500, 502, 504, 400, 412])
def test_a_failed_start_is_tried_on_another_node(talk, status):
    (line,) = requests(talk.ask("a", 1, 9, WISH))
    peer, _, id, *_ = line.split()
    (again,) = requests(talk.say(peer, f"execution_response {id} status={status}"))
    assert again.split()[0] != peer
    assert talk.row(2).state == "FAILED" and not talk.row(2).ports_reserved
    assert talk.row(3).state == "STARTING"
    assert "session_response 9 status=200" in talk.ready([again])[0]


def test_a_wrong_configuration_is_not_tried_again(talk):
    (line,) = requests(talk.ask("a", 1, 9, WISH))
    peer, _, id, *_ = line.split()
    (answer,) = talk.say(peer, f"execution_response {id} status=422")
    assert "session_response 9 status=503" in answer
    assert any(one.alarm and one.what == "broken" for one in talk.notices)
    assert "status=503" in talk.ask("a", 1, 10, WISH)[0]
    talk.register("b", "fd00::2", "orders,store")
    assert requests(talk.ask("a", 1, 11, WISH))


def test_a_taken_port_is_followed_by_another_at_once(talk):
    (line,) = requests(talk.ask("a", 1, 9, WISH))
    peer, _, id, *_ = line.split()
    (again,) = requests(talk.say(peer, f"execution_response {id} status=423"))
    assert talk.row(3).sockets != talk.row(2).sockets


def test_back_off_doubles(make_talk):
    talk = make_talk()
    talk.start()
    lines = talk.register("a", "fd00::1", "web,orders")
    waits = []
    for _ in range(4):
        (line,) = requests(lines)
        talk.say("a", f"execution_response {line.split()[2]} status=500")
        begin = talk.now
        lines = []
        while not requests(lines):
            lines = talk.wait(0.5)
        waits.append(talk.now - begin)
    assert waits == [1, 2, 4, 8]


def test_after_restart_limit_a_node_is_given_up(make_talk):
    talk = make_talk()
    talk.start()
    lines = talk.register("a", "fd00::1", "web")
    for _ in range(5):
        (line,) = requests(lines)
        talk.say("a", f"execution_response {line.split()[2]} status=500")
        lines = talk.wait(20)
    assert not lines
    assert any(one.what == "given up" and one.alarm for one in talk.notices)
    assert requests(talk.wait(300))


def test_start_timeout_kills_and_goes_on(talk):
    (line,) = requests(talk.do(Scale("orders", 1)))
    peer, _, id, *_ = line.split()
    lines = talk.wait(31)
    assert requests(lines, "hard_shutdown_request")[0].startswith(peer)
    assert requests(lines)[0].split()[0] != peer
    assert talk.row(2).state == "FAILED" and talk.row(2).ports_reserved
    kill = requests(lines, "hard_shutdown_request")[0].split()[2]
    talk.say(peer, f"hard_shutdown_response {kill} status=404")
    assert not talk.row(2).ports_reserved


def test_a_late_answer_of_a_start_is_dropped(talk):
    (line,) = requests(talk.do(Scale("orders", 1)))
    peer, _, id, *_ = line.split()
    talk.wait(31)
    assert talk.say(peer, f"execution_response {id} status=200") == []
    assert "unexpected.execution_response" in talk.counts


def test_an_answer_of_another_agent_is_dropped(talk):
    (line,) = requests(talk.do(Scale("orders", 1)))
    peer, _, id, *_ = line.split()
    other = "a" if peer == "b" else "b"
    talk.say(other, f"execution_response {id} status=200")
    assert talk.row(2).state == "STARTING"
    talk.say(peer, f"graceful_shutdown_response {id} status=200")
    assert talk.row(2).state == "STARTING"


def test_graceful_shutdown_of_an_idle_instance(talk):
    key = started(talk)
    peer = peer_of(talk, key)
    (line,) = talk.do(StopInstance(key))
    assert line.split()[:2] == [peer, "graceful_shutdown_request"]
    assert line.split()[3:] == ["service_name=orders", "service_instance_id=2"]
    talk.say(peer, f"graceful_shutdown_response {line.split()[2]} status=200")
    assert talk.row(key).state == "STOPPED"
    assert talk.row(key).ports_reserved  # the agent has no extensions: it may answer at once
    talk.wait(11)
    assert talk.row(key) is None
    assert talk.manager.state.store.operations[talk.operation].state == "done"


def test_ports_are_free_at_once_when_the_agent_waits_for_the_end(talk):
    talk.register("a", "fd00::1", "web,orders", "x_ssmmp=1")
    talk.register("b", "fd00::2", "orders,store", "x_ssmmp=1")
    key = started(talk)
    (line,) = requests(talk.do(StopInstance(key)), "graceful_shutdown_request")
    talk.say(peer_of(talk, key), f"graceful_shutdown_response {line.split()[2]} status=200")
    assert not talk.row(key).ports_reserved


@pytest.mark.parametrize("how", ["silent", "500", "502", "504"])
def test_an_instance_that_does_not_end_is_killed(talk, how):
    key = started(talk)
    peer = peer_of(talk, key)
    (line,) = talk.do(StopInstance(key))
    if how == "silent":
        lines = talk.wait(11)
    else:
        lines = talk.say(peer, f"graceful_shutdown_response {line.split()[2]} status={how}")
    (kill,) = requests(lines, "hard_shutdown_request")
    assert talk.row(key).state == "KILLING"
    talk.say(peer, f"hard_shutdown_response {kill.split()[2]} status=200")
    assert talk.row(key).state == "STOPPED" and not talk.row(key).ports_reserved


def test_a_busy_instance_is_asked_again_and_killed_in_the_end(talk):
    key = started(talk)
    peer = peer_of(talk, key)
    lines = talk.do(StopInstance(key))
    for _ in range(3):
        (line,) = requests(lines, "graceful_shutdown_request")
        lines = talk.say(peer, f"graceful_shutdown_response {line.split()[2]} status=409")
    assert requests(lines, "hard_shutdown_request")


@pytest.mark.parametrize("status", [500, 504])
def test_an_instance_that_cannot_be_killed_has_its_ports_reserved(talk, status):
    key = started(talk)
    peer = peer_of(talk, key)
    (line,) = requests(talk.do(StopInstance(key, hard=True)), "hard_shutdown_request")
    talk.say(peer, f"hard_shutdown_response {line.split()[2]} status={status}")
    talk.wait(500)
    assert talk.row(key).state == "KILLING" and talk.row(key).ports_reserved
    assert any(one.alarm and one.what == "cannot be killed" for one in talk.notices)


def test_death_is_followed_by_a_new_instance_elsewhere(talk):
    key = started(talk)
    peer = peer_of(talk, key)
    lines = talk.say(peer, f"health_control_response 5 service_name=orders "
                           f"service_instance_id={key} status=502")  # fmt: skip
    assert talk.row(key).state == "FAILED"
    assert requests(lines)[0].split()[0] != peer


RESTART = [("never", "502", 0), ("never", "left", 0), ("on-failure", "502", 1),
           ("on-failure", "left", 0), ("always", "502", 1), ("always", "left", 1)]  # fmt: skip


@pytest.mark.parametrize(("restart", "how", "expected"), RESTART)
def test_restart_policy(make_talk, restart, how, expected):
    talk = make_talk(f"[service web]\nkind = gateway\nrestart = {restart}\n")
    talk.start()
    talk.ready(talk.register("a", "fd00::1", "web"))
    if how == "left":
        talk.say("a", "service_instance_termination_info 5 service_name=web service_instance_id=1 "
                      "service_instance_network_address=fd00::1")  # fmt: skip
        assert talk.row(1).state == "STOPPED"
    else:
        talk.say("a", "health_control_response 5 service_name=web service_instance_id=1 status=502")
        assert talk.row(1).state == "FAILED"
    talk.ready(talk.wait(5))
    live = [one for one in talk.manager.state.store.instances.values() if one.state == "RUNNING"]
    assert len(live) == expected


def test_idle_stop(make_talk):
    talk = make_talk(
        "[service web]\nkind = gateway\nplugs = orders_client -> orders.orders_api\n"
        "[service orders]\nsockets = orders_api\nreplicas = 0-2\nidle_stop = 60\n"
    )
    talk.start()
    talk.ready(talk.register("a", "fd00::1", "web,orders"))
    talk.ready(talk.ask("a", 1, 9, WISH))
    talk.ack("a", 9, 40000)
    talk.wait(100)
    assert talk.row(2).state == "RUNNING"
    port = talk.row(2).sockets[0][1]
    talk.say("a", "source_service_session_close_info 10 source_service_name=web "
             "source_service_instance_network_address=fd00::1 source_service_instance_id=1 "
             "source_plug_name=orders_client source_plug_port=40000 dest_service_name=orders "
             "dest_service_instance_network_address=fd00::1 dest_socket_name=orders_api "
             f"dest_socket_port={port} dest_socket_new_port={port}")  # fmt: skip
    talk.wait(59)
    assert talk.row(2).state == "RUNNING"
    talk.wait(2)
    assert talk.row(2).state == "STOPPING"
    assert talk.row(1).state == "RUNNING"


def test_one_more_is_started_by_load(make_talk):
    talk = make_talk(
        "[service web]\nkind = gateway\nplugs = orders_client -> orders.orders_api\n"
        "[service orders]\nsockets = orders_api\nreplicas = 0-2\nscale_at = 3\ncooldown = 10\n"
    )
    talk.start()
    talk.ready(talk.register("a", "fd00::1", "web,orders"))
    talk.ready(talk.ask("a", 1, 99, WISH))
    lines = [line for n in range(8) for line in talk.ask("a", 1, 100 + n, WISH)]
    assert len(requests(lines)) == 1
