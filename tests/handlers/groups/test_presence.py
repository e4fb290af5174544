"""Which members are there: transcripts of news and of the time."""

from ccproxy_handlers.groups.presence import START_GRACE, Presence


def presence(leave=2.0, back=10.0):
    """Two members, both up since 0 s."""
    made = Presence(2, leave, back, 0.0)
    for number in (0, 1):
        made.told(number, True, 0.0)
    return made


def test_a_member_leaves_after_a_time_and_comes_back_after_another():
    made = presence()
    assert made.look(0.0) is None and made.present == [0, 1]
    made.told(0, False, 5.0)
    assert made.look(5.0) == 2.0 and made.present == [0, 1] and not made.up(0)
    assert made.look(7.0) is None and made.present == [1]
    made.told(0, True, 20.0)
    assert made.look(20.0) == 10.0 and not made.is_present(0)
    assert made.look(29.0) == 1.0
    assert made.look(30.0) is None and made.present == [0, 1]


def test_a_pause_while_it_comes_back_begins_the_time_anew():
    made = presence(leave=0.0)
    made.told(0, False, 1.0)
    made.look(1.0)
    made.told(0, True, 2.0)
    made.told(0, False, 11.0)
    made.told(0, True, 11.5)
    assert made.look(12.0) == 9.5 and made.present == [1]


def test_a_short_break_is_none():
    made = presence()
    made.told(0, False, 1.0)
    made.look(1.0)
    made.told(0, True, 2.5)
    assert made.look(2.5) is None and made.present == [0, 1]


def test_the_same_news_twice_change_nothing():
    made = presence()
    made.told(0, False, 1.0)
    made.told(0, False, 2.5)
    made.look(3.0)
    assert made.present == [1]


def test_without_another_a_member_is_back_at_once():
    made = presence(leave=0.0)
    for number in (0, 1):
        made.told(number, False, 1.0)
    assert made.look(1.0) is None and made.present == []
    made.told(1, True, 2.0)
    assert made.look(2.0) is None and made.present == [1]


def test_when_the_last_one_leaves_those_that_are_coming_back_are_there():
    made = presence(leave=0.0)
    made.told(0, False, 1.0)
    made.look(1.0)
    made.told(0, True, 2.0)
    made.told(1, False, 3.0)
    assert made.look(3.0) is None and made.present == [0]


def test_at_the_start_a_connection_is_waited_for_unless_it_fails():
    made = Presence(3, 0.0, 10.0, 0.0)
    made.told(1, True, 0.1)
    made.refused(2, 0.2)
    assert made.look(0.2) == START_GRACE - 0.2 and made.present == [0, 1]
    assert made.look(START_GRACE) is None and made.present == [1]
    made.told(0, True, 3.0)
    assert made.look(3.0) is None and made.present == [0, 1]


def test_a_member_that_never_answers_is_not_waited_for_longer_with_each_attempt():
    made = Presence(2, 5.0, 10.0, 0.0)
    made.told(1, True, 0.0)
    for second in range(5):
        made.refused(0, float(second))
    made.look(5.0)
    assert made.present == [1]
