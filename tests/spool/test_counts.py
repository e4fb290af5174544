"""What is seen of a spool from outside."""

from ccproxy.spool.counts import SpoolCounts
from ccproxy.spool.intake import Intake, SpoolLimits


def test_it_is_seen_as_a_queue():
    counts = SpoolCounts("h:far", Intake(SpoolLimits(200)))
    counts.intake.size = 50
    counts.sample(1.0)
    assert (counts.destination, counts.fill) == ("h:far", 0.25)
    counts.rename("h:near (replaced)")
    assert (counts.name, counts.destination) == ("h:near (replaced)", "h:near")


def test_a_group_of_links_sees_whether_there_is_room():
    counts = SpoolCounts("h:far", Intake(SpoolLimits(200)))
    assert not counts.has_room(1, 1)  # the file is not open
    counts.intake.opened = True
    assert counts.has_room(200, 9) and not counts.has_room(201, 1)
    counts.intake.problem = "disk I/O error"
    assert not counts.has_room(1, 1)
    assert counts.take_unsent(1000) == []


def test_rounds_of_the_thread_are_counted():
    counts = SpoolCounts("h:far", Intake(SpoolLimits(200)))
    counts.note_round(1, 0, 10)
    counts.note_round(0, 1, 20)
    assert (counts.commits, counts.failures, counts.kept) == (1, 1, 20)
