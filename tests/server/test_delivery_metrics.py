"""The metrics of acknowledged delivery: links of one section together, and those that send here."""

from dataclasses import replace

from ccproxy.server.delivery_metrics import clients, links, received
from ccproxy.server.delivery_values import ClientTotals, ReceivedStatus
from ccproxy.server.status import LinkStatus, SinkStatus
from tests.server.test_delivery_values import DELIVERY, SPOOL

SINK = SinkStatus("h:far", 30, 20, 3, 300, {"failed": 5})
LINK = LinkStatus("h:far", "tcp://1:2", "up", "", 0, SINK, delivery=DELIVERY)
IN_MEMORY = replace(DELIVERY, spool=None, age=9.0, acknowledging=False, refused={"full": 1})
OTHER = replace(LINK, state="in-doubt", delivery=IN_MEMORY)


def read(families):
    return {
        (one.name, *one.labels.values()): one.value for family in families for one in family.samples
    }


def test_links_of_a_section_are_summed_up_and_the_worst_age_is_shown():
    assert read(links([LINK, OTHER])) == {
        ("ccserver_link_in_doubt", "h:far"): 1,
        ("ccserver_link_oldest_unacknowledged_seconds", "h:far"): 9.0,
        ("ccserver_link_unacknowledged_messages", "h:far"): 6,
        ("ccserver_link_unacknowledged_bytes", "h:far"): 400,
        ("ccserver_link_plain", "h:far"): 1,
        ("ccserver_link_acknowledged_messages_total", "h:far"): 40,
        ("ccserver_link_resent_messages_total", "h:far"): 8,
        ("ccserver_link_duplicate_messages_total", "h:far"): 4,
        ("ccserver_link_doubts_total", "h:far"): 2,
        ("ccserver_link_refused_messages_total", "h:far", "failed"): 5,
        ("ccserver_link_refused_messages_total", "h:far", "full"): 1,
        ("ccserver_link_spool_messages", "h:far"): 3,
        ("ccserver_link_spool_bytes", "h:far"): 300,
        ("ccserver_link_spool_limit_bytes", "h:far"): 1000,
        ("ccserver_link_spool_kept_bytes", "h:far"): 50,
        ("ccserver_link_spool_failed", "h:far"): 0,
        ("ccserver_link_spool_commits_total", "h:far"): 6,
        ("ccserver_link_spool_failures_total", "h:far"): 2,
    }


def test_a_spool_that_cannot_be_written():
    failing = replace(DELIVERY, spool=replace(SPOOL, problem="disk full"))
    assert (
        read(links([replace(LINK, delivery=failing)]))["ccserver_link_spool_failed", "h:far"] == 1
    )


def test_links_that_only_send_have_none():
    assert read(links([replace(LINK, delivery=None)])) == {}


def test_what_came_over_links_that_send_here():
    assert read(clients(ClientTotals(5, 10, 4, 3))) == {
        ("ccserver_remembered_clients",): 5,
        ("ccserver_connected_clients",): 4,
        ("ccserver_waiting_clients",): 3,
    }
    assert read(received(ReceivedStatus(2, 3, 4, 5))) == {
        ("ccserver_remembered_links",): 2,
        ("ccserver_gap_messages_total",): 3,
        ("ccserver_duplicate_messages_total",): 4,
        ("ccserver_refused_messages_total",): 5,
    }
