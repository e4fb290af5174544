"""The values that the core answers with."""

from dataclasses import FrozenInstanceError, fields, is_dataclass, replace
from typing import get_args

import pytest

from ccproxy.service import events
from ccproxy.service.events import CloseWanted, News, ServiceAction, Settings


def test_every_value_of_the_module_is_an_action_or_the_settings():
    found = {one for one in vars(events).values() if is_dataclass(one)}
    assert found == {*get_args(ServiceAction), Settings}
    assert set(get_args(News)) < set(get_args(ServiceAction))


def test_news_name_their_session_and_do_not_change():
    assert all("key" in {one.name for one in fields(kind)} for kind in get_args(News))
    with pytest.raises(FrozenInstanceError):
        CloseWanted(1).key = 2


def test_settings_are_values():
    assert replace(Settings(), backlog=1) != Settings() == Settings()
    assert all(getattr(Settings(), one.name) > 0 for one in fields(Settings))
