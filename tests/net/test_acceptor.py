import asyncio
import socket

import pytest

from ccproxy.config.address import Address
from ccproxy.config.links import LinkOptions, ListenerOptions
from ccproxy.config.security import NETWORKS
from ccproxy.net.acceptor import Acceptor, allowed, peer_name
from ccproxy.net.sockets import connect


class Accepted:
    def __init__(self, sock):
        self.sock = sock

    def close(self, reason):
        self.sock.close()


class Owner:
    """Keeps what is accepted; its peers say something at once."""

    def __init__(self):
        self.inside = []
        self.evicted = []
        self.spoke = lambda one: None

    def accepted(self, sock, peer):
        one = Accepted(sock)
        self.inside.append(one)
        asyncio.get_running_loop().call_soon(lambda: self.spoke(one))
        return one

    def evict(self, one, reason):
        self.evicted.append(reason)
        one.close(reason)


@pytest.mark.parametrize(
    ("where", "name"),
    [
        (("10.0.0.1", 5555), "10.0.0.1:5555"),
        (("::1", 5555, 0, 0), "[::1]:5555"),
        (("::ffff:10.0.0.1", 5555, 0, 0), "10.0.0.1:5555"),
        ("", "ipc"),
        (b"", "ipc"),
    ],
)
def test_names_of_peers(where, name):
    assert peer_name(where) == name


@pytest.mark.parametrize("text", ["tcp://127.0.0.1:0", "ipc://{}/acceptor"])
async def test_who_comes_is_let_in_until_there_are_too_many(kit, until, tmp_path, text):
    owner = Owner()
    inside = owner.inside
    options = ListenerOptions(max_peers=2)
    acceptor = Acceptor("cc", Address.parse(text.format(tmp_path)), kit(), owner)
    owner.spoke = acceptor.spoke
    acceptor.open(options)
    address = Address.parse(acceptor.bound)
    outside = [await connect(address, LinkOptions())]
    await asyncio.sleep(0.01)
    assert inside == []
    acceptor.accept()
    await until(lambda: len(inside) == 1 and not acceptor.silent)
    outside.append(await connect(address, LinkOptions()))
    await until(lambda: len(inside) == 2 and not acceptor.silent)
    outside.append(await connect(address, LinkOptions()))
    await until(lambda: acceptor.counts["too-many"])
    assert acceptor.counts == {"accepted": 3, "too-many": 1}
    assert await asyncio.get_running_loop().sock_recv(outside[2], 1) == b""
    assert not inside[0].sock.getblocking()
    acceptor.close()
    acceptor.close()
    with pytest.raises(OSError):  # noqa: PT011
        await connect(address, LinkOptions())
    assert list(tmp_path.iterdir()) == []
    for one in [*outside, *(one.sock for one in inside)]:
        one.close()


@pytest.mark.parametrize(
    ("where", "networks", "answer"),
    [
        (("10.1.2.3", 5), "10.0.0.0/8", True),
        (("11.1.2.3", 5), "10.0.0.0/8, 192.168.1.7", False),
        (("::ffff:10.1.2.3", 5, 0, 0), "10.0.0.0/8", True),
        (("fe80::1%eth0", 5, 0, 2), "fe80::/10", True),
        (("::1", 5, 0, 0), "10.0.0.0/8", False),
        ("", "10.0.0.0/8", True),
    ],
)
def test_networks_of_peers(where, networks, answer):
    assert allowed(where, NETWORKS.parse(networks)) == answer


async def test_an_address_of_no_network_is_closed_at_once(kit, until):
    owner = Owner()
    acceptor = Acceptor("cc", Address.parse("tcp://127.0.0.1:0"), kit(), owner)
    acceptor.open(ListenerOptions(addresses=NETWORKS.parse("10.0.0.0/8")))
    acceptor.accept()
    one = await connect(Address.parse(acceptor.bound), LinkOptions())
    await until(lambda: acceptor.counts["address-refused"])
    assert await asyncio.get_running_loop().sock_recv(one, 1) == b"" and not owner.inside
    acceptor.close()
    one.close()


async def test_the_file_of_somebody_else_stays(kit, tmp_path):
    """Another process removed our file and listens at the same path."""
    path = tmp_path / "x"
    acceptor = Acceptor("cc", Address.parse(f"ipc://{path}"), kit(), Owner())
    acceptor.open(ListenerOptions())
    path.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        acceptor.close()
        assert path.exists()


async def test_a_port_that_the_system_chose_is_had_again(kit):
    made = kit()
    acceptor = Acceptor("cc", Address.parse("tcp://127.0.0.1:*"), made, Owner())
    acceptor.open(ListenerOptions())
    before = acceptor.bound
    assert not before.endswith(":0")
    acceptor.close()
    acceptor.reopen()
    assert acceptor.bound == before
    # A process that takes over finds it by the address of the configuration.
    assert [str(one.address) for one in made.listening.all()] == ["tcp://127.0.0.1:0"]
    acceptor.close()


async def test_a_door_without_a_file_closes(kit):
    acceptor = Acceptor("cc", Address.parse("ipc://@ccproxy-test"), kit(), Owner())
    assert not acceptor.listening
    acceptor.open(ListenerOptions())
    acceptor.close()
    assert not acceptor.listening
    acceptor.reopen()
    assert acceptor.listening
    acceptor.close()


async def test_without_descriptors_it_takes_a_breath(kit, until, monkeypatch):
    """A real EMFILE would harm the test itself: the accept of the socket fails instead."""
    owner = Owner()
    acceptor = Acceptor("cc", Address.parse("tcp://127.0.0.1:0"), kit(), owner)
    acceptor.open(ListenerOptions())
    monkeypatch.setattr("ccproxy.net.acceptor.RETRY_DELAY", 0.01)
    real = acceptor._socket

    class Short:
        def fileno(self):
            return real.fileno()

        def close(self):
            real.close()

        def accept(self):
            raise OSError(24, "Too many open files")

    acceptor._socket = Short()
    acceptor.accept()
    with socket.create_connection(real.getsockname()):
        await until(lambda: acceptor.counts["accept-failed"] >= 2)
        acceptor._socket = real
        await until(lambda: owner.inside)
    acceptor.close()
    owner.inside[0].sock.close()


async def test_a_reload_changes_the_mode_of_our_own_file_only(kit, tmp_path):
    path = tmp_path / "x"
    acceptor = Acceptor("cc", Address.parse(f"ipc://{path}"), kit(), Owner())
    acceptor.open(ListenerOptions(mode=0o600))
    assert path.stat().st_mode & 0o777 == 0o600
    acceptor.reconfigure(ListenerOptions(mode=0o660))
    assert path.stat().st_mode & 0o777 == 0o660
    path.unlink()
    path.touch(0o644)
    acceptor.reconfigure(ListenerOptions(mode=0o666))
    assert path.stat().st_mode & 0o777 == 0o644
    acceptor.close()


async def test_descriptors_for_links_are_left(kit, until, monkeypatch):
    monkeypatch.setattr("ccproxy.net.acceptor.RETRY_DELAY", 0.01)
    shared, owner = kit(), Owner()
    acceptor = Acceptor("cc", Address.parse("tcp://127.0.0.1:0"), shared, owner)
    acceptor.open(ListenerOptions())
    owner.spoke = acceptor.spoke
    where = acceptor._socket.getsockname()
    scarce = True
    monkeypatch.setattr(type(shared.descriptors), "scarce", lambda self: scarce)
    acceptor._loop.add_reader(acceptor._socket.fileno(), acceptor._acceptable)
    outside = [socket.create_connection(where) for _ in range(3)]
    await until(lambda: acceptor.counts["accept-failed"])
    await asyncio.sleep(0.03)  # longer than one pause
    assert acceptor.counts == {"accepted": 1, "accept-failed": 1}
    scarce = False
    await until(lambda: acceptor.counts["accepted"] == 3)
    acceptor.close()
    for one in [*outside, *(one.sock for one in owner.inside)]:
        one.close()
