"""The timers and limits of the agent."""

from ccproxy.config.options import options_of
from ccproxy_handlers.ssmmp.agent.engine.settings import AgentSettings
from ccproxy_handlers.ssmmp.agent.engine.tables import TABLES
from ccproxy_handlers.ssmmp.agent.options import Options


def test_every_setting_is_an_option_of_the_handler():
    settings = {one.name for one in options_of(AgentSettings)}
    assert settings < {one.name for one in options_of(Options)}
    assert not [one.name for one in options_of(AgentSettings) if one.required or not one.help]


def test_the_timers_of_the_tables_are_settings_with_a_time():
    timers = {timer for table in TABLES for timer in table.timers.values()}
    assert timers and all(getattr(AgentSettings(), timer) > 0 for timer in timers)


def test_the_wait_for_a_new_connection_can_grow():
    assert AgentSettings().reconnect_first < AgentSettings().reconnect_most
