"""Counts and notices are values that both roles answer with."""

from dataclasses import FrozenInstanceError

import pytest

from ccproxy_handlers.ssmmp import manager
from ccproxy_handlers.ssmmp.notices import Count, Notice


def test_both_roles_answer_with_the_same_values():
    assert manager.Notice is Notice and manager.Count is Count


def test_a_notice_is_no_alarm_unless_it_says_so():
    assert Notice("lost", "A") == Notice("lost", "A", "", alarm=False)
    assert Notice("lost", "A", alarm=True) != Notice("lost", "A")


def test_they_do_not_change():
    with pytest.raises(FrozenInstanceError):
        Count("malformed").name = "other"
