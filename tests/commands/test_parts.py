"""Parts of a status as lines; `test_status` has them as commands print them."""

from ccproxy.commands.parts import link_lines, listener_lines, peer_lines, type_lines
from ccproxy.server.status import LinkStatus, ListenerStatus, PeerStatus, SinkStatus, TypeStatus

EVIL = "\x1b[2J\nfake: line"


def test_nothing_is_no_table():
    assert list(listener_lines(())) == list(link_lines(())) == list(type_lines(())) == []


def test_a_listener_that_has_lost_its_address_or_drains():
    one = ListenerStatus("ccserver", "cc", "tcp://1:1", 0, 0, {}, 0, "local", listening=False)
    assert " not open " in list(listener_lines([one]))[1]


def test_no_text_of_a_stranger_reaches_the_terminal_raw():
    sink = SinkStatus(f"ccserver {EVIL}", 1, 1, 0, 0, {EVIL: 1})
    lines = [
        *peer_lines([PeerStatus("ccserver", sink, EVIL, EVIL, EVIL)]),
        *type_lines([TypeStatus(EVIL, 1, 1, (EVIL,))]),
        *link_lines([LinkStatus("h:x", EVIL, "up", EVIL, 0, sink)]),
    ]
    assert len(lines) == 6
    assert not [line for line in lines if "\x1b" in line or "\n" in line]
