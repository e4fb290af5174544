"""A status as metrics: both formats, read by the parsers of the library; labels; pieces."""

from collections import defaultdict
from dataclasses import replace

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as plain_text

from ccproxy.core.ledger import FATES
from ccproxy.server import metrics as module
from ccproxy.server.metrics import exposition
from ccproxy.server.status import (
    DescriptorStatus,
    HandlerStatus,
    LatencyStatus,
    LedgerStatus,
    LinkStatus,
    ListenerStatus,
    MemoryStatus,
    ProcessStatus,
    SinksStatus,
    SinkStatus,
    Status,
)

OPEN = "application/openmetrics-text; version=1.0.0"
SINK = SinkStatus("h:next", 9, 2, 3, 300, {"full": 4}, 12.5, 0.75)
EVIL = 'h:"\\\n# EOF'
FAULTS = {"slow": 3, "unanswered": 5}
STATUS = Status(
    ProcessStatus("x", "/x.ini", "1", 7, 0, 1000.5, 2000.0, (1.5, 0.25, 9, 9, 9), "L", "3", "c"),
    (
        ListenerStatus(
            "ccserver",
            "cc",
            "tcp://1:1",
            3,
            1,
            {"accepted": 5, "key-refused": 2},
            1,
            age=0.5,
            fill=1.25,
        ),
        ListenerStatus("listen:x", "zmq", "tcp://1:2", 0, 0, {}, listening=False),
    ),
    (
        LinkStatus("h:next", "tcp://1:3", "up", "", 2, SINK, required=True),
        LinkStatus("h:next", "tcp://1:4", "refused", "no", 1, replace(SINK, age=9.0, fill=0.8)),
    ),
    (HandlerStatus("h:next", "proxy", {"10.0.0.1": "peer"}, {"type.a": 1}, faults=FAULTS),),
    (),
    SinksStatus(
        4, 6, 600, {"full": 8}, (SINK,), {"h:next": {"full": 8}, EVIL: {"old": 1}}, 12.5, 1.25
    ),
    3,
    9,
    LedgerStatus(5, 50, {"forwarded": 3, "full": 2}, {"forwarded": 30, "full": 20}),
    DescriptorStatus(57, 1024, 64),
    MemoryStatus(4096, 65536, "tight", 3, 1),
    (
        LatencyStatus("handover", "", (0.001, 0.5), (3, 2, 1), 7.25),
        LatencyStatus("handle", EVIL, (0.001, 0.5), (1, 0, 0), 0.5),
        LatencyStatus("handle", "h:next", (0.001, 0.5), (0, 4, 0), 1.5),
    ),
)


async def read(status, accept=OPEN, parse=open_metrics):
    """The samples by name and labels."""
    text, _ = await exposition(status, accept)
    found = {}
    for family in parse(text.decode()):
        for one in family.samples:
            key = (one.name, *sorted(one.labels.items()))
            assert key not in found
            found[key] = one.value
    return found


async def test_the_numbers_are_those_of_the_status():
    found = await read(STATUS)
    next_ = ("section", "h:next")
    assert found["ccserver_start_time_seconds",] == 1000.5
    assert found["ccserver_cpu_seconds_total",] == 1.75
    assert found["ccserver_received_messages_total",] == 5
    assert found["ccserver_messages_total", ("fate", "forwarded")] == 3
    assert found["ccserver_message_bytes_total", ("fate", "full")] == 20
    assert found["ccserver_dropped_messages_total", ("reason", "full"), next_] == 8
    assert found["ccserver_dropped_messages_total", ("reason", "old"), ("section", EVIL)] == 1
    assert found["ccserver_waiting_bytes",] == 600
    assert found["ccserver_memory_used_bytes",] == 4096
    assert found["ccserver_open_descriptors",] == 57
    assert found["ccserver_listener_up", ("section", "ccserver")] == 1
    assert found["ccserver_listener_up", ("section", "listen:x")] == 0
    assert found["ccserver_accepted_connections_total", ("section", "ccserver")] == 5
    refused = ("reason", "key-refused"), ("section", "ccserver")
    assert found["ccserver_connection_events_total", *refused] == 2
    assert found["ccserver_handler_faults_total", ("reason", "slow"), next_] == 3
    assert found["ccserver_handler_faults_total", ("reason", "unanswered"), next_] == 5


async def test_links_of_one_section_are_summed_up():
    found = await read(STATUS)
    values = {
        name: found[f"ccserver_link_{name}", ("section", "h:next")]
        for name in ("configured", "up", "required", "waiting_messages", "sent_messages_total",
                     "queued_messages_total", "reconnects_total")
    }  # fmt: skip
    assert list(values.values()) == [2, 1, 1, 6, 4, 18, 3]


async def test_the_worst_queue_of_a_section_is_shown():
    found = await read(STATUS)
    next_, peers = ("section", "h:next"), ("section", "ccserver")
    assert found["ccserver_oldest_message_seconds",] == 12.5
    assert found["ccserver_fill_ratio",] == 1.25
    assert found["ccserver_link_oldest_message_seconds", next_] == 12.5
    assert found["ccserver_link_fill_ratio", next_] == 0.8
    assert found["ccserver_listener_oldest_message_seconds", peers] == 0.5
    assert found["ccserver_listener_fill_ratio", peers] == 1.25


async def test_times_are_histograms_in_seconds():
    found = await read(STATUS)
    hop = [
        found["ccserver_handover_seconds_bucket", ("le", one)] for one in ("0.001", "0.5", "+Inf")
    ]
    assert hop == [3, 5, 6]
    assert found["ccserver_handover_seconds_count",] == 6
    assert found["ccserver_handover_seconds_sum",] == 7.25
    next_ = ("section", "h:next")
    assert found["ccserver_handle_seconds_bucket", ("le", "0.5"), next_] == 4
    assert found["ccserver_handle_seconds_sum", next_] == 1.5
    assert found["ccserver_handle_seconds_count", ("section", EVIL)] == 1
    assert not [key for key in found if key[0].startswith("ccserver_send_seconds")]


async def test_every_fate_is_there_from_the_start():
    quiet = replace(STATUS, ledger=LedgerStatus(0, 0, {}, {}))
    found = await read(quiet)
    assert {key[1][1] for key in found if key[0] == "ccserver_messages_total"} == set(FATES)


async def test_both_formats_say_the_same():
    as_text = await read(STATUS, "text/plain", plain_text)
    assert as_text == await read(STATUS)
    text, kind = await exposition(STATUS, "")
    assert kind.startswith("text/plain; version=0.0.4") and b"# EOF\n" not in text
    text, kind = await exposition(STATUS, OPEN)
    assert kind.startswith("application/openmetrics-text; version=1.0.0")
    assert text.endswith(b"\n# EOF\n") and text.count(b"\n# EOF\n") == 1


async def test_names_and_labels_follow_the_rules():
    """Nothing that a stranger makes up is a label: their values come from the configuration."""
    text, _ = await exposition(STATUS, OPEN)
    labels = defaultdict(set)
    for family in open_metrics(text.decode()):
        assert family.name.startswith("ccserver_") and family.documentation
        assert family.type in ("gauge", "counter", "histogram")
        for one in family.samples:
            assert one.name.endswith("_total") == (family.type == "counter")
            if family.type == "histogram":
                bound = one.labels.pop("le", None)
                assert (bound is not None) == one.name.endswith("_bucket")
            for name, value in one.labels.items():
                labels[name].add(value)
    assert set(labels) == {"section", "fate", "reason"}
    assert labels["section"] == {"ccserver", "listen:x", "h:next", EVIL}
    assert "10.0.0.1" not in text.decode() and "type.a" not in text.decode()


@pytest.mark.parametrize("accept", [OPEN, "text/plain"])
async def test_many_sections_become_text_in_pieces(monkeypatch, accept, turns):
    links = tuple(replace(STATUS.links[0], section=f"h:{number}") for number in range(1000))
    many = replace(STATUS, links=links)
    monkeypatch.setattr(module, "SAMPLES_AT_ONCE", 10_000)
    whole, _ = await exposition(many, accept)
    monkeypatch.undo()
    async with turns:
        assert (await exposition(many, accept))[0] == whole
    assert turns.number >= 8 * 1000 / module.SAMPLES_AT_ONCE
