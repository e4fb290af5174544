"""Receipts for programs on `ccproxy.client`, with real servers: kills of both, and copies of a
spool.

    program (spool) --> server (spool) --> nothing

Nothing listens where the server sends to, so its spool shows what has come.
"""

import base64
import json
import random
import shutil
import subprocess
import sys

import pytest

from ccproxy.client import Client, ClientLimits, InDoubt, Refused
from ccproxy.client.spool import ProducerSpool

SECONDS = 60
LIMITS = ClientLimits(greeting=SECONDS, linger=SECONDS)
INI = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
[routes]
data = h:next
small = h:small
sink = h:sink
echo = h:echo
[h:sink]
handler = disposer
[h:echo]
handler = echo
[h:next]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT2
on-full = block
linger = 0 s
delivery = acknowledged
spool = %(config_dir)s/spool
[h:small]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT3
on-full = drop-new
linger = 0 s
delivery = acknowledged
spool = %(config_dir)s/small
spool-size = 1 MiB
"""
PROGRAM = """
import os, sys
from ccproxy.client import Client, ClientLimits

def say(word, number):
    os.write(1, b"%s %d\\n" % (word, number))

def tell(future, number):
    say(b"problem" if future.exception() else b"receipt", number)

address, folder, first, count = *sys.argv[1:3], *map(int, sys.argv[3:])
client = Client(address, spool=folder, limits=ClientLimits(greeting=60, linger=60, unconfirmed=500))
for number in range(first, first + count):
    say(b"try", number)
    future = client.publish("data.x", {"n": number}, confirm="later", timeout=60)
    future.add_done_callback(lambda future, number=number: tell(future, number))
client.close()
say(b"over", first)
"""


@pytest.fixture
def program(fill, tmp_path):
    """Start the program with a first number and a count; what it says goes into a file."""
    started = []

    def run(first, count):
        words = [fill("tcp://127.0.0.1:PORT1"), tmp_path / "client", str(first), str(count)]
        with (tmp_path / "said").open("ab") as said:
            started.append(subprocess.Popen([sys.executable, "-c", PROGRAM, *words], stdout=said))
        return started[-1]

    yield run
    for one in started:
        one.kill()
        one.wait()


def numbers(tmp_path, word):
    """What the programs have said: the numbers behind a word, of whole lines."""
    lines = (tmp_path / "said").read_text("ascii").split("\n")[:-1]
    return [int(line.split()[1]) for line in lines if line.startswith(word)]


def waiting(server, section="h:next"):
    sinks = [one["sink"] for one in server.status()["links"]]
    return next(one["waiting"] for one in sinks if one["name"] == section)


def exported(server):
    """The numbers of the messages in the spool of a server, in order."""
    done = server.verb("spool", "export", "--section", "h:next")
    assert done.returncode == 0, done.stderr
    messages = map(json.loads, done.stdout.splitlines())
    return [json.loads(base64.b64decode(one["frames"][-2]))["n"] for one in messages]


def test_kills_of_program_and_server_lose_nothing_and_double_nothing(
    start, until, program, tmp_path
):
    chance = random.Random(7)
    server = start(INI)
    for round, victims in enumerate(["server", "both"]):
        running = program(1_000_000 * round, 1_000_000)
        at = waiting(server) + 100 + chance.randrange(500)
        until(lambda: waiting(server) > at, "messages at the server")  # noqa: B023
        server.kill()
        if victims == "both":
            running.kill()
        server = start(INI)
        server.wait_for("spool open link=h:next")
        at = waiting(server) + 100
        if victims == "server":
            until(lambda: waiting(server) > at, "the same program goes on")  # noqa: B023
        running.kill()
        running.wait()
    running = program(9_000_000, 100)
    assert running.wait(SECONDS) == 0
    assert numbers(tmp_path, "over") == [9_000_000]
    assert numbers(tmp_path, "problem") == []
    arrived, tried = exported(server), numbers(tmp_path, "try")
    assert len(arrived) == len(set(arrived)), "doubled"
    assert arrived == sorted(arrived), "not in order"
    assert set(arrived) <= set(tried)
    assert set(numbers(tmp_path, "receipt")) <= set(arrived), "a receipt, and lost"
    for first in range(0, 2_000_000, 1_000_000):
        of_round = [one for one in arrived if first <= one < first + 1_000_000]
        assert of_round == list(range(first, first + len(of_round))), "lost in the middle"
    spool = ProducerSpool(tmp_path / "client")
    spool.close()
    assert spool.restored == []


def test_a_program_without_a_spool(start, fill, until):
    """Kinds, a refusal, requests beside, and a server that is killed twice while it publishes."""
    server = start(INI)
    with Client(fill("tcp://127.0.0.1:PORT1"), limits=LIMITS, timeout=SECONDS) as client:
        assert client.publish("sink.x", {}, confirm=True).kind == "handed"
        assert client.publish("nothing.x", {}, confirm=True).kind == "handed"
        assert client.publish("small.x", {}, bytes(700_000), confirm=True).kind == "safe"
        with pytest.raises(Refused, match="full") as refused:
            client.publish("small.x", {}, bytes(700_000), confirm=True)
        assert refused.value.reason == "full"
        futures = []
        for number in range(1800):
            future = client.publish("data.x", {"n": number}, confirm="later", timeout=SECONDS)
            futures.append(future)
            if number in (600, 1200):
                futures[number - 300].result(SECONDS)
                server.kill()
                server = start(INI)
        assert client.request("echo.request", {"target": "me"}).type == "echo.response"
        found = [one.result(SECONDS) for one in futures]
        assert [one.number for one in found] == list(range(5, 1805))
        assert {one.kind for one in found} == {"safe"}
    assert exported(server) == list(range(1800))


def test_messages_that_are_too_big_hold_up_no_others(start, fill):
    """Each one ends the connection, and libzmq holds others that were written for it."""
    start(INI.replace("cc-role = remote", "cc-role = remote\nmax-message = 64 KiB"))
    with Client(fill("tcp://127.0.0.1:PORT1"), limits=LIMITS, timeout=SECONDS) as client:
        sizes = [100_000 if number in (5, 10, 11) else 10 for number in range(30)]
        futures = [client.publish("sink.x", {}, bytes(one), confirm="later") for one in sizes]
        errors = [one.exception(SECONDS) for one in futures]
    assert [isinstance(one, Refused) for one in errors] == [size > 10 for size in sizes]
    assert {one.reason for one in errors if one} == {"too-big"}


def test_a_copy_of_a_spool_is_kept_out(start, fill, tmp_path):
    start(INI)
    address = fill("tcp://127.0.0.1:PORT1")
    with Client(address, spool=tmp_path / "first", limits=LIMITS, timeout=SECONDS) as client:
        assert client.publish("sink.x", {}, confirm=True).number == 1
        shutil.copytree(tmp_path / "first", tmp_path / "copy")
        limits = ClientLimits(greeting=SECONDS, linger=0.0)
        with Client(address, spool=tmp_path / "copy", limits=limits, timeout=SECONDS) as copy:
            future = copy.publish("sink.x", {}, confirm="later")
            error = future.exception(SECONDS)
            assert isinstance(error, InDoubt), error
            assert "second copy" in str(error)
            with pytest.raises(ConnectionError, match="second copy"):
                copy.publish("sink.x", {}, confirm=True)
        assert client.publish("sink.x", {}, confirm=True).number == 2
