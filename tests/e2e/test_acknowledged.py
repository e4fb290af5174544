"""Links with acknowledged delivery: what cuts, stalls and kills lose, between real processes.

The far side's handler writes the number of each message to a file before the message is
acknowledged, so that a kill of the far side is seen whole: nothing may be missing in the file, the
order holds but for what came again, and what a link in mode `sent` loses is shown beside it.
"""

import itertools
import json
import signal

import pytest
import zmq

from tests.e2e.delivery import DIRECT, FAR, curve, in_order, link_of, plain, settled, source_ini

MODES = ["sent", "acknowledged"]


def check(mode, far, sent, until):
    """Everything arrived in order, but for what a mode may lose; the number of lost ones."""
    if mode == "acknowledged":
        until(lambda: len(set(far.recorded)) == sent, "all messages")
    found = in_order(far.recorded)
    assert found == sorted(found)
    return sent - len(found)


@pytest.mark.parametrize("mode", MODES)
def test_a_line_that_stalls_and_is_reset(start, far, line, sender, until, mode):
    server = far()
    source = start(source_ini(mode))
    client = sender()
    client.more(1000)
    until(lambda: len(far.recorded) == 1000)
    line.stall()
    client.more(30_000)
    until(lambda: source.status()["ledger"]["received"] == 31_000, "everything at the source")
    line.reset()
    client.more(100)
    until(lambda: settled(source, 31_100), "the end of all messages")
    lost = check(mode, far, 31_100, until)
    print(f"lost in mode {mode}: {lost}")
    assert (lost > 0) == (mode == "sent")
    if mode == "acknowledged":
        assert len(far.recorded) == 31_100  # the far side lives: nothing is doubled
        assert server.status()["ledger"]["fates"]["consumed"] == 31_100


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("how", ["while it works", "while it stands still"])
def test_the_far_side_is_killed(start, far, sender, until, mode, how):
    server = far()
    source = start(source_ini(mode, **DIRECT))
    client = sender()
    client.more(500)
    until(lambda: len(far.recorded) == 500)
    if how == "while it stands still":
        server.process.send_signal(signal.SIGSTOP)
        client.more(20_000)
        until(lambda: source.status()["ledger"]["received"] == 20_500)
    else:
        client.more(20_000)
        until(lambda: len(far.recorded) > 2000)
    server.kill()
    again = far()
    client.more(100)
    until(lambda: settled(source, 20_600), "the end of all messages")
    lost = check(mode, far, 20_600, until)
    print(f"lost in mode {mode} {how}: {lost}")
    assert mode == "sent" or lost == 0
    if how == "while it stands still":
        assert (lost > 0) == (mode == "sent")
    assert again.status()["process"]["pid"]


def test_random_cuts_lose_and_double_nothing(start, far, line, sender, until):
    server = far()
    source = start(source_ini("acknowledged", "window = 64 KiB"))
    client = sender(sizes=(1000,))
    for number in range(12):
        line.cut_at = line.passed + 37_111 * (number + 1)
        client.more(1500)
        until(lambda n=number: line.cuts > n, "a cut")
    until(lambda: settled(source, 18_000))
    assert far.recorded == list(range(18_000))
    assert server.status()["ledger"]["fates"] == {"consumed": 18_000}


def test_large_messages_are_cut_in_the_middle(start, far, line, sender, until):
    far()
    source = start(source_ini("acknowledged", "window = 64 MiB"))
    client = sender(sizes=(20_000_000,))
    line.cut_at = 9_000_000
    client.more(3)
    until(lambda: line.cuts == 1)
    line.cut_at = line.passed + 25_000_000
    until(lambda: line.cuts == 2)
    until(lambda: settled(source, 3))
    assert far.recorded == [0, 1, 2]


def test_an_older_far_side_is_refused_and_said(start, make, fill, sender, until):
    """libzmq stands for it: it does not know the property."""
    make(zmq.ROUTER, bind=fill("tcp://127.0.0.1:PORT2"))
    source = start(source_ini("acknowledged", "linger = 0", **DIRECT).replace("linger = 5 s", ""))
    client = sender()
    client.more(3)
    until(lambda: link_of(source)["state"] == "refused")
    link = link_of(source)
    assert link["reason"] == "the far side does not acknowledge"
    assert link["delivery"]["mode"] == "acknowledged"
    until(lambda: link_of(source)["sink"]["waiting"] == 3)
    assert "does not acknowledge" in source.verb("status").stdout


def test_or_it_gets_everything_plainly_as_asked(start, make, fill, sender, until):
    old = make(zmq.ROUTER, bind=fill("tcp://127.0.0.1:PORT2"))
    source = start(source_ini("acknowledged-if-possible", **DIRECT))
    client = sender()
    client.more(5000)
    assert [int(old.recv_multipart()[-1]) for _ in range(5000)] == list(range(5000))
    until(lambda: settled(source, 5000))
    assert not link_of(source)["delivery"]["acknowledging"]
    assert source.wait_for("does not acknowledge")
    assert "plainly" in source.verb("status").stdout


def test_messages_that_the_far_side_does_not_take_are_dropped_for_its_reason(
    start, far, make, fill, until
):
    server = far("max-message = 100 KB")
    source = start(source_ini("acknowledged", **DIRECT))
    client = make(zmq.DEALER, connect=fill("tcp://127.0.0.1:PORT1"))
    client.send_multipart([b"", b"data.x", b"", b"0"])
    client.send_multipart([b"", b"data.x", bytes(200_000), b"1"])
    client.send_multipart([b"", b"data.wrong", b"", b"2"])
    client.send_multipart([b"", b"data.x", b"", b"3"])
    until(lambda: settled(source, 4))
    assert far.recorded == [0, 3]
    sink = link_of(source)["sink"]
    assert (sink["sent"], sink["dropped"]) == (2, {"too-big": 1, "failed": 1})
    assert server.status()["remembered"][0]["refused"] == 2
    server.tracebacks = True


def test_a_reload_changes_the_delivery_while_messages_wait(start, far, sender, until):
    source = start(source_ini("sent", **DIRECT))
    client = sender()
    client.more(200)
    until(lambda: link_of(source)["sink"]["waiting"] == 200)
    sizes = itertools.count(300, 100)
    for mode in ("acknowledged", "sent", "acknowledged"):
        source.reload(fill_ports(source, source_ini(mode, **DIRECT)))
        client.more(100)
        expected = next(sizes)
        until(lambda n=expected: link_of(source)["sink"]["waiting"] == n)
    far()
    until(lambda: settled(source, 500))
    source.reload(fill_ports(source, source_ini("sent", **DIRECT)))
    client.more(100)
    until(lambda: len(far.recorded) == 600)
    assert far.recorded == list(range(600))


def fill_ports(server, ini):
    for word, port in sorted(server.ports.items(), reverse=True):
        ini = ini.replace(word, str(port))
    return ini


def test_another_server_at_the_address_is_waited_out(start, far, line, sender, until, tmp_path):
    """The far side has got messages and stands still; another one answers in its place."""
    first = far("server-id = first.id")
    source = start(source_ini("acknowledged", "on-doubt = wait"))
    client = sender()
    client.more(100)
    until(lambda: settled(source, 100))
    first.process.send_signal(signal.SIGSTOP)
    client.more(100)
    until(lambda: link_of(source)["delivery"]["unacknowledged"] == 100)
    first.kill()
    (tmp_path / "far" / "first.id").rename(tmp_path / "first.id")
    other = far("server-id = first.id")
    until(lambda: link_of(source)["state"] == "in-doubt")
    assert "answers in the place of" in link_of(source)["reason"]
    assert len(far.recorded) == 100
    other.kill()
    (tmp_path / "first.id").rename(tmp_path / "far" / "first.id")
    far("server-id = first.id")
    until(lambda: settled(source, 200))
    assert far.recorded == list(range(200))


def test_a_far_side_that_stands_still_is_found(start, far, sender, until):
    server = far()
    source = start(source_ini("acknowledged", "heartbeat = 200 ms", **DIRECT))
    client = sender()
    client.more(10)
    until(lambda: settled(source, 10))
    server.process.send_signal(signal.SIGSTOP)
    source.wait_for("no answer to PING in 0.2 s")
    client.more(10)
    until(lambda: link_of(source)["sink"]["waiting"] == 10)
    server.process.send_signal(signal.SIGCONT)
    until(lambda: settled(source, 20))
    assert far.recorded == list(range(20))


def test_a_stop_waits_for_acknowledgements(start, far, sender, until):
    server = far()
    ini = source_ini("acknowledged", **DIRECT)
    source = start(ini.replace("linger = 5 s", "linger = 60 s"))
    client = sender()
    client.more(10)
    until(lambda: settled(source, 10))
    server.process.send_signal(signal.SIGSTOP)
    client.more(50)
    until(lambda: link_of(source)["delivery"]["unacknowledged"] == 50)
    source.process.terminate()
    server.process.send_signal(signal.SIGCONT)
    assert source.stop() == 0
    assert source.outboxes()["h:far"]["sent"] == 60
    assert far.recorded == list(range(60))


def test_a_chain_of_servers_acknowledges_from_its_end(start, far, sender, until):
    """The one in the middle is killed: the first one still has what the last one has not."""
    far()
    middle = source_ini("acknowledged", PORT3="PORT2", PORT1="PORT4")
    hop = start(middle, "middle")
    source = start(source_ini("acknowledged", PORT3="PORT4"))
    client = sender()
    client.more(20_000)
    until(lambda: len(far.recorded) > 500)
    hop.kill()
    start(middle, "middle")
    until(lambda: settled(source, 20_000))
    assert set(far.recorded) == set(range(20_000))
    found = in_order(far.recorded)
    assert found == sorted(found)


def unix(tmp_path):
    """Nothing but a socket in the file system."""
    return "", ""


@pytest.mark.parametrize("way", [curve, plain, unix])
def test_keys_passwords_and_unix_sockets(start, far, tmp_path, sender, until, way):
    there, here = way(tmp_path)
    ini, changed = FAR, DIRECT
    if way is unix:
        place = f"ipc://{tmp_path}/far.sock"
        ini = FAR.replace("tcp://127.0.0.1:PORT2", place)
        changed = {"tcp://127.0.0.1:PORT3": place}
    server = far(there, ini)
    source = start(source_ini("acknowledged", here, **changed))
    client = sender()
    client.more(2000)
    until(lambda: settled(source, 2000))
    server.kill()
    client.more(100)
    far(there, ini)
    until(lambda: settled(source, 2100))
    assert in_order(far.recorded) == list(range(2100))
    assert link_of(source)["delivery"]["acknowledged"] == 2100


def test_status_shows_both_ends(start, far, sender, until):
    server = far()
    source = start(source_ini("acknowledged", **DIRECT))
    sender().more(100)
    until(lambda: settled(source, 100))
    delivery = link_of(source)["delivery"]
    [remembered] = server.status()["remembered"]
    assert delivery["mode"] == "acknowledged" and delivery["acknowledging"]
    assert (delivery["unacknowledged"], delivery["in_flight"]) == (0, 0)
    assert remembered["last"] == 100
    assert (remembered["gaps"], remembered["duplicates"], remembered["connected"]) == (0, 0, True)
    text = source.verb("status").stdout
    assert "acknowledged" in text and delivery["server"][:8] in text
    assert delivery["link"][:8] in server.verb("status").stdout
    assert json.loads(source.verb("status", "--json").stdout)["links"][0]["delivery"]
