"""The timers and limits of the Manager."""

from dataclasses import fields

import pytest

from ccproxy_handlers.ssmmp.manager import ManagerSettings
from ccproxy_handlers.ssmmp.manager.engine.tables import TABLES


def test_every_timer_of_a_table_is_a_setting():
    names = {one.name for one in fields(ManagerSettings)}
    assert {timer for table in TABLES for timer in table.timers.values()} <= names


def test_waits_fit_into_each_other():
    found = ManagerSettings()
    assert found.start_timeout < found.session_wait, "a request outlives the start it waits for"
    assert found.agent_silence > found.health_interval, "silence takes more than one probe"
    assert found.backoff_first < found.backoff_most <= found.restart_window


def test_settings_are_given_by_name():
    assert ManagerSettings(misses=5).misses == 5
    with pytest.raises(TypeError):
        ManagerSettings(30.0)
