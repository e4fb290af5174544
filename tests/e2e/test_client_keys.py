"""`ccproxy.client` with keys and passwords at a real server."""

from contextlib import closing

import pytest
import zmq

from ccproxy.client import Client, ClientLimits
from ccproxy.client.keys import ClientKeys, mechanism_of
from ccproxy.client.ready import ReadyQuestion
from ccproxy.commands.keygen import certificates
from ccproxy.wire.zmtp.passwords import hashed

SECONDS = 60
LIMITS = ClientLimits(greeting=SECONDS, linger=SECONDS)
IMPATIENT = ClientLimits(greeting=SECONDS, linger=0.0)
INI = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
curve-secret = %(config_dir)s/../server.key_secret
curve-allow = %(config_dir)s/../allowed
refuse = REFUSE
[listen:inside]
protocol = cc
address = tcp://127.0.0.1:PORT2
plain-users = %(config_dir)s/../users
refuse = REFUSE
[routes]
echo = h:echo
sink = h:sink
[h:echo]
handler = echo
[h:sink]
handler = disposer
"""
TEXT = INI.replace("REFUSE", "close")


@pytest.fixture
def keys(tmp_path):
    (tmp_path / "allowed").mkdir()
    for name in ("server", "other", "allowed/me"):
        assert certificates(tmp_path / name) == 0
    (tmp_path / "users").write_text(f"joe:{hashed(b'secret')}\n")
    (tmp_path / "password").write_text("secret\n")
    for name in ("users", "password"):
        (tmp_path / name).chmod(0o600)
    return tmp_path


@pytest.fixture
def proofs(keys, fill):
    """What is right for each of the two addresses."""
    curve = {
        "curve_server": keys / "server.key", "curve_secret": keys / "allowed/me.key_secret"
    }  # fmt: skip
    plain = {"plain_user": "joe", "plain_password_file": keys / "password"}
    return {fill("tcp://127.0.0.1:PORT1"): curve, fill("tcp://127.0.0.1:PORT2"): plain}


def test_all_that_a_client_does_works_with_keys_and_passwords(start, proofs, keys):
    server = start(TEXT)
    for number, (address, proof) in enumerate(proofs.items()):
        spool = keys / f"spool-{number}"
        with Client(address, spool=spool, limits=LIMITS, timeout=SECONDS, **proof) as client:
            assert client.publish("sink.x", {}, confirm=True).kind == "handed"
            future = client.publish("sink.x", {}, confirm="later")
            client.publish("sink.plain", {})
            assert client.request("echo.request", {"target": "me"}).type == "echo.response"
            assert next(client.stream("echo.request", {"target": "me"})).type == "echo.response"
            assert future.result(SECONDS).number == 2
            assert client.problem == ""
    server.stop()
    assert server.ledger()["discarded"] == 6


def test_a_silent_server_is_asked_with_the_same_proof(start, proofs):
    """The client's question whether a server gives receipts gets through as the client does."""
    start(TEXT)
    for address, proof in proofs.items():
        keys = ClientKeys(**proof).read()
        question, poller = ReadyQuestion(address, mechanism_of(keys)), zmq.Poller()
        with closing(question):
            over = False
            while not over:
                poller.register(question.socket, question.events)
                assert poller.poll(1000 * SECONDS)
                over = question.step()
        assert question.answer is True


NO_PROOF = "a key or a password, and the client was given neither"
NO_KEY = "not allow the client's key, or not have the key that the client expects"
NO_USER = "not know the user with this password"


@pytest.mark.parametrize("refuse", ["close", "error"])
def test_calls_say_why_the_server_takes_no_message(start, until, proofs, keys, refuse):
    start(INI.replace("REFUSE", refuse))
    (curve, key), (plain, password) = proofs.items()
    for address, proof, reason in (
        (curve, {}, NO_PROOF),
        (curve, key | {"curve_secret": keys / "other.key_secret"}, NO_KEY),
        (curve, key | {"curve_server": keys / "other.key"}, NO_KEY),
        (plain, {}, NO_PROOF),
        (plain, {"plain_user": "joe", "plain_password": "wrong"}, NO_USER),
    ):
        with Client(address, limits=IMPATIENT, **proof) as client:
            until(lambda: reason in client.problem, reason)  # noqa: B023
            with pytest.raises(TimeoutError, match=f"no answer to echo.* in 0.01 s; .*{reason}"):
                client.request("echo.request", {}, timeout=0.01)
            with pytest.raises(ConnectionError, match=f"{reason}.*; the message was not sent"):
                client.publish("sink.x", {}, confirm=True, timeout=0.01)


def test_a_client_gets_in_once_its_key_is_allowed(start, until, fill, proofs, keys):
    (keys / "allowed/me.key").rename(keys / "me.key")
    server = start(TEXT)
    address, proof = next(iter(proofs.items()))
    with Client(address, limits=LIMITS, timeout=SECONDS, **proof) as client:
        future = client.publish("sink.x", {}, confirm="later")
        until(lambda: "has ended the handshake" in client.problem)
        (keys / "me.key").rename(keys / "allowed/me.key")
        server.reload(fill(TEXT))
        assert future.result(SECONDS).kind == "handed"
        assert client.problem == ""
