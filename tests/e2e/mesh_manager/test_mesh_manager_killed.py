"""`kill -9` of the Manager: what it knows after it is started again is what is true."""

import threading


def running(agent):
    text = "; ".join(f"({name}, {key}, 41000)" for key, name in agent.running.items())
    return {"x_ssmmp": 1, "x_running": f"({text})"}


def test_what_runs_is_adopted(mesh, soon):
    mesh.start()
    agent = mesh.agent()
    agent.register()
    agent.start()
    agent.ask(1)
    agent.start()
    agent.expect("session_response")
    mesh.kill()
    assert agent.receive() == {}
    mesh.start()
    assert set(mesh.states("instance").values()) == {"UNKNOWN"}
    back = mesh.agent()
    back.running, back.ids = agent.running, agent.ids
    assert back.register(**running(back)) == "208"
    soon(lambda: mesh.states("instance") == {1: "RUNNING", 2: "RUNNING"})
    assert back.open(1, 50001) == 41000
    assert back.quiet, "nothing is started or killed"


def test_without_extensions_all_is_given_up(mesh, soon):
    """An agent that says nothing of what it runs: 205, a hard shutdown each, new numbers."""
    mesh.start()
    agent = mesh.agent()
    agent.register()
    agent.start()
    mesh.kill()
    mesh.start()
    back = mesh.agent()
    assert back.register() == "205"
    seen = [back.receive() for _ in range(2)]
    kinds = {one["type"]: one["service_instance_id"] for one in seen}
    assert kinds == {"hard_shutdown_request": "1", "execution_request": "2"}


def test_three_times_under_load(mesh, soon):
    """Sessions open and close all the time; after each kill the view is what the agent says."""
    mesh.start()
    agent = mesh.agent()
    agent.register()
    agent.start()
    agent.ask(1)
    agent.start()
    agent.expect("session_response")
    truth: dict[int, int] = {}
    port = 50_000
    used = set(agent.running)
    for _ in range(3):
        killer = threading.Timer(0.5, mesh.kill)
        killer.start()
        pending = set()
        try:
            while True:
                port += 1
                pending = {port}
                truth[port] = agent.open(1, port)
                pending = set()
                if len(truth) > 20:
                    oldest = next(iter(truth))
                    pending = {oldest}
                    agent.closed(1, 2, oldest, truth.pop(oldest))
        except (OSError, AssertionError):
            killer.join()
        mesh.start()
        back = mesh.agent()
        back.running = agent.running
        back.ids = agent.ids
        # The connection that was under way when the Manager died was never made, or has ended.
        for one in pending:
            truth.pop(one, None)
        told = "; ".join(
            f"(1, orders_client, {one}, 10.0.0.1, {to}, {to})" for one, to in truth.items()
        )
        assert back.register(**running(back), x_sessions=f"({told})") == "208"
        wanted = {one: "OPEN" for one in truth}

        def view():
            return {
                one["from"][1]: one["state"]
                for one in mesh.rows("sessions")
                if one["state"] == "OPEN"
            }

        soon(lambda wanted=wanted: view() == wanted)
        soon(lambda: mesh.states("instance") == {1: "RUNNING", 2: "RUNNING"})
        used |= set(back.running)
        agent = back
    assert mesh.request("execute", command="scale", service="orders", count=2)["operation"]
    assert agent.start()["service_instance_id"] == "3"


def test_numbers_are_never_used_twice(mesh, soon):
    mesh.start()
    numbers = []
    for _ in range(3):
        agent = mesh.agent()
        agent.register()
        while len(numbers) < 20:
            asked = agent.receive()
            if asked["type"] == "execution_request":
                numbers.append(int(asked["service_instance_id"]))
                break
        mesh.kill()
        agent.close()
        mesh.start()
    assert len(numbers) == len(set(numbers)) == 3


def test_the_state_file_belongs_to_one_manager(mesh, start):
    mesh.start()
    again = mesh.ini.replace("PORT1", "PORT5").replace("PORT2", "PORT6")
    second = again.replace("%(config_dir)s", str(mesh.directory))
    other = start(second, "second", ready=False)
    other.wait_for("cannot start")
    assert "locked" in other.wait_for("cannot start")
    other.killed = True
