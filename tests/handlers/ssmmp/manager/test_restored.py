"""The Manager of a state file."""

from ccproxy_handlers.ssmmp.commands import Scale
from ccproxy_handlers.ssmmp.manager import ManagerSettings, Record, Tell
from ccproxy_handlers.ssmmp.manager.engine.rows import JOURNAL
from ccproxy_handlers.ssmmp.manager.restored import restored
from ccproxy_handlers.state_file import StateFile


def test_an_empty_file_is_a_start_and_a_full_one_goes_on(talk, tmp_path):
    file = StateFile(str(tmp_path / "state.db"))
    manager, rows, actions = restored(file, talk.graph, ManagerSettings(), 50.0)
    assert rows == 0 and len(manager.state.store.instances) == 1, "the gateway is planned"
    assert any(isinstance(one, Record) for one in actions)
    talk.ready(talk.do(Scale("orders", 2)))
    for id in range(100, 111):
        talk.ask("a", 1, id, "orders_client orders orders_api")
    file.write(map(JOURNAL.to_text, talk.journal))
    manager, rows, actions = restored(file, talk.graph, ManagerSettings(), 500.0)
    assert rows == len(file.read())
    assert not any(isinstance(one, Tell) for one in actions), "no agent is connected"
    found = manager.state.store
    assert list(found.sessions) == list(range(1, 12)), "in the order of their numbers"
    assert {one.state for one in found.instances.values()} == {"UNKNOWN"}
    assert found.counters == talk.manager.state.store.counters
    file.close()
