"""Links with a spool, between real processes: kills of both ends, reloads, and the verb spool.

    sender --> feeder (acknowledged, never killed) --> source (spool) --> far (spool) --> nothing

Nothing listens where the far side sends to, so its spool shows what has come: each message has to
be there once, in order, whatever was killed meanwhile.
"""

import base64
import json
import random
import threading

import pytest
import zmq

from tests.e2e.delivery import DIRECT, link_of, sink_of, source_ini

FEEDER = source_ini(**DIRECT)
SIZES = 1, 100, 3000
"""Of messages, in turn."""
SPOOLING = """
[ccserver]
cc-socket = tcp://127.0.0.1:NEAR
cc-role = remote
[routes]
data = h:next
[h:next]
handler = proxy
remote-cc = tcp://127.0.0.1:AWAY
reconnect = 10 ms
reconnect-max = 50 ms
on-full = block
linger = 0 s
delivery = acknowledged
spool = %(config_dir)s/spool
EXTRA
"""


def spooling(here, there, extra=""):
    return SPOOLING.replace("NEAR", here).replace("AWAY", there).replace("EXTRA", extra)


class SteadySender(threading.Thread):
    """Sends some numbered messages each millisecond, until it is told to end."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.address, self.over, self.sent = address, threading.Event(), 0
        self.start()

    def run(self):
        with zmq.Context() as context, context.socket(zmq.DEALER) as sock:
            sock.connect(self.address)
            while not self.over.wait(0.001):
                for _ in range(10):
                    sock.send_multipart([b"", b"data.x", b"%d" % self.sent])
                    self.sent += 1

    def finish(self):
        self.over.set()
        self.join()
        return self.sent


def waiting(server):
    return sink_of(server)["waiting"]


def exported(server):
    """The numbers of the messages in the spool of a server, which may run or not."""
    done = server.verb("spool", "export")
    assert done.returncode == 0, done.stderr
    messages = map(json.loads, done.stdout.splitlines())
    return [int(base64.b64decode(one["frames"][-1])) for one in messages if one["waits"]]


@pytest.mark.parametrize(
    ("victims", "sync"),
    [(["source"], "full"), (["far"], "full"), (["source", "far"], "full"),
     (["source", "far"], "normal")],
)  # fmt: skip
def test_kills_lose_nothing_and_double_nothing(start, sender, until, victims, sync):
    chance = random.Random(repr(victims))
    inis = {
        "source": spooling("PORT2", "PORT3", f"spool-sync = {sync}"),
        "far": spooling("PORT3", "PORT4", f"spool-sync = {sync}"),
    }
    servers = {name: start(ini, name) for name, ini in inis.items()}
    feeder = start(FEEDER, "feeder")
    total = 20_000
    sender(sizes=SIZES).more(total)
    for step in range(1, 6):
        until(
            lambda: waiting(servers["far"]) >= step * 3000 * chance.random(),  # noqa: B023
            "messages at the far side",
        )
        for victim in victims:
            servers[victim].kill()
        for victim in victims:
            servers[victim] = start(inis[victim], victim)
    until(lambda: sink_of(feeder)["queued"] == total and not waiting(feeder))
    until(lambda: not waiting(servers["source"]), "acknowledgements of the far side")
    assert waiting(servers["far"]) == total
    assert exported(servers["far"]) == list(range(total))


def test_what_waits_outlives_a_stop_and_is_delivered_afterwards(start, sender, until):
    ini = spooling("PORT2", "PORT3")
    source = start(ini, "source")
    sender("tcp://127.0.0.1:PORT2", sizes=SIZES).more(5000)
    until(lambda: waiting(source) == 5000)
    source.stop()
    assert source.count("kept in spool link=h:next messages=5000") == 1
    assert exported(source) == list(range(5000))
    source = start(ini, "source")
    source.wait_for("spool open link=h:next")
    assert waiting(source) == 5000
    far = start(spooling("PORT3", "PORT4"), "far")
    until(lambda: not waiting(source))
    assert exported(far) == list(range(5000))


def test_a_reload_leaves_a_filled_spool_where_it_is(start, fill, sender, until):
    ini = fill(spooling("PORT2", "PORT3"))
    source = start(ini, "source")
    sender("tcp://127.0.0.1:PORT2", sizes=SIZES).more(100)
    until(lambda: waiting(source) == 100)
    source.reload(ini.replace("h:next", "h:renamed"))
    assert waiting(source) == 100
    gone = ini.replace("data = h:next", "data = h:away").replace(
        "[h:next]\nhandler = proxy", "[h:away]\nhandler = disposer\n[h:next]\nhandler = proxy"
    )
    source.reload(gone)
    source.wait_for("kept in spool")
    folder = source.directory / "spool"
    source.wait_for(f"messages=100 folder={folder}")
    source.reload(ini)
    until(lambda: sink_of(source)["waiting"] == 100)
    source.reload(ini.replace("/spool\n", "/other\n"))
    until(lambda: (source.directory / "other" / "spool.sqlite3").exists())
    until(lambda: sink_of(source)["waiting"] == 0)
    source.reload(ini)
    until(lambda: sink_of(source)["waiting"] == 100)
    assert exported(source) == list(range(100))


def test_a_second_server_with_a_copied_configuration_is_kept_out(start, until):
    ini = spooling("PORT2", "PORT3")
    source = start(ini, "source")
    folder = source.directory / "spool"
    other = start(ini.replace("PORT2", "PORT5").replace("%(config_dir)s/spool", str(folder)), "b")
    pid = source.process.pid
    other.wait_for(f"{folder} is in use by process {pid}")
    assert link_of(other)["state"] == "refused"
    assert f"in use by process {pid}" in link_of(other)["reason"]
    source.stop()
    other.wait_for("spool open link=h:next")


def test_a_server_that_takes_the_place_of_another_has_its_spool_at_once(start, fill, until):
    """Under load, with a far side that is away and one that is there, and whatever the `linger`."""
    words = ("run", "--replace", "--replace-linger", "1 h")
    ini = spooling("PORT2", "PORT3").replace("linger = 0 s", "linger = 1 h")
    ini = ini.replace("[ccserver]", "[ccserver]\ncontrol = server.sock")
    running = [start(ini, "source")]
    feeder = start(FEEDER, "feeder")
    sender = SteadySender(fill("tcp://127.0.0.1:PORT1"))
    far = None
    for _ in range(3):
        until(lambda: sink_of(running[-1])["queued"] > 500, "messages in the spool")
        running.append(start(ini, "source", words=words))
        running[-1].wait_for("spool open link=h:next")
        assert running[-2].ended() == 0
        far = far or start(spooling("PORT3", "PORT4"), "far")
    until(lambda: link_of(running[-1])["state"] == "up")
    total = sender.finish()
    until(lambda: sink_of(feeder)["queued"] == total and not waiting(feeder))
    until(lambda: not waiting(running[-1]), "acknowledgements of the far side")
    assert exported(far) == list(range(total))
    for one in running[1:]:
        assert not any("no connection link" in line and "in use" in line for line in one.lines)


def test_the_verb_at_a_running_server(start, sender, until):
    source = start(spooling("PORT2", "PORT3", "spool-keep = 1 h"), "source")
    far = start(spooling("PORT3", "PORT4"), "far")
    sender("tcp://127.0.0.1:PORT2", sizes=SIZES).more(100)
    until(lambda: waiting(far) == 100 and not waiting(source))
    shown = json.loads(source.verb("spool", "show", "--json", "--runs").stdout)
    assert (shown["waiting"], shown["kept"]) == (0, 100)
    assert sum(one["messages"] for one in shown["runs"]) == 100
    done = source.verb("spool", "replay", "--from", "1 h")
    assert (done.returncode, done.stdout) == (0, "100 messages wait again\n")
    until(lambda: waiting(far) == 200, "the replay, which is no duplicate")
    assert exported(far) == [*range(100), *range(100)]
    [remembered] = far.status()["remembered"]
    assert (remembered["replayed"], remembered["duplicates"]) == (100, 0)
    far.verb("spool", "drop", "--to", "1")
    left = exported(far)
    assert left == [*range(100), *range(100)][200 - len(left) :]
    done = far.verb("spool", "drop", "--all")
    assert done.stdout == f"{len(left)} messages dropped\n"
    assert waiting(far) == 0
    assert sink_of(far)["dropped"] == {"operator": 200}
    used = far.verb("spool", "show", "--section", "h:none")
    assert used.returncode == 1 and "[h:none] has no spool: name one of h:next" in used.stderr
