from ccproxy_handlers.ssmmp.commands import Drain, Undrain


def said(lines, type):
    return [line for line in lines if line.split()[1] == type]


def statuses(lines, type):
    return [line.partition("status=")[2].split()[0] for line in said(lines, type)]


def test_registration_is_answered_before_anything_else(make_talk):
    talk = make_talk()
    talk.start()
    lines = talk.register("a", "fd00::1", "web")
    assert lines[0] == "a initiation_response 7 status=200"
    assert lines[1].startswith("a execution_request")


def test_nothing_of_the_repository_is_in_the_graph(make_talk):
    talk = make_talk()
    assert talk.register("a", "fd00::1", "mail") == ["a initiation_response 7 status=422"]
    assert not talk.closed
    assert statuses(talk.register("a", "fd00::1", "mail,web"), "initiation_response") == ["200"]


def test_another_repository_on_the_same_connection(talk):
    lines = talk.register("b", "fd00::2", "orders,store,web")
    assert lines == ["b initiation_response 7 status=208"]
    assert talk.manager.state.store.agents["fd00::2"].repository == ("orders", "store", "web")


def test_two_agents_on_one_address_share_its_ports(make_talk):
    talk = make_talk()
    talk.register("a", "::1", "orders")
    talk.register("b", "::1", "store,orders")
    assert set(talk.manager.state.store.agents) == {"::1", "::1#2"}
    manager = talk.manager
    for name in ("orders", "store", "orders"):
        manager.services.plan(manager.state.graph.services[name])
    ports = [port for row in manager.state.store.instances.values() for _, port in row.sockets]
    assert len(set(ports)) == 3


def test_a_duplicate_identity_is_refused_counted_and_named(make_talk):
    talk = make_talk()
    talk.register("a", "fd00::1", "web", "x_node=one")
    lines = talk.register("b", "fd00::1", "web", "x_node=one")
    assert lines == ["b initiation_response 7 status=409"]
    assert talk.closed == ["b"] and "agent.duplicate" in talk.counts
    assert talk.notices[-1].subject == "fd00::1/one"
    talk.gone("b")
    assert talk.manager.state.store.agents["fd00::1/one"].peer == "a"


def test_drained_and_taken_back(talk):
    talk.do(Drain("fd00::2"))
    assert talk.manager.state.store.agents["fd00::2"].state == "DRAINED"
    lines = talk.ask("a", 1, 9, "orders_client orders orders_api")
    assert said(lines, "execution_request")[0].startswith("a ")
    talk.do(Undrain("fd00::2"))
    assert talk.manager.state.store.agents["fd00::2"].state == "REGISTERED"


def test_a_drain_survives_the_loss_of_the_connection(talk):
    talk.do(Drain("fd00::2"))
    talk.gone("b")
    talk.register("b2", "fd00::2", "orders,store", "x_running=()")
    assert talk.manager.state.store.agents["fd00::2"].state == "DRAINED"


def test_suspect_lost_forgotten(talk):
    talk.gone("b")
    store = talk.manager.state.store
    assert store.agents["fd00::2"].state == "SUSPECT"
    talk.wait(31)
    assert store.agents["fd00::2"].state == "LOST"
    assert any(one.alarm and one.what == "lost" for one in talk.notices)
    talk.wait(3601)
    assert "fd00::2" not in store.agents


def test_an_instance_of_a_suspect_agent_is_used_only_if_there_is_no_other(talk):
    talk.ready(talk.ask("a", 1, 9, "orders_client orders orders_api"))
    node = talk.row(2).agent
    talk.gone("a" if node == "fd00::1" else "b")
    assert talk.row(2).state == "UNKNOWN"
    if node == "fd00::2":
        lines = talk.ask("a", 1, 10, "orders_client orders orders_api")
        assert statuses(lines, "session_response") == ["200"]


def test_what_waits_for_a_repository_is_started_with_it(make_talk):
    talk = make_talk()
    assert talk.start() == []
    assert talk.row(1).state == "PLANNED"
    talk.ready(talk.register("a", "fd00::1", "web"))
    assert talk.row(1).state == "RUNNING"
