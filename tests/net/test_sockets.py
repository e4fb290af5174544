import asyncio
import contextlib
import errno
import os
import socket
import stat
from pathlib import Path
from unittest import mock

import pytest

from ccproxy.config.address import Address
from ccproxy.config.links import LinkOptions, SocketOptions
from ccproxy.net.sockets import (
    bind,
    bound,
    close_gracefully,
    connect,
    detached,
    place_of,
    prepare,
    quiet,
    reached,
    unsent,
)


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


IPV6 = pytest.mark.skipif(not has_ipv6(), reason="no IPv6 on this host")


@pytest.mark.parametrize(
    ("text", "reached_at"),
    [
        ("tcp://127.0.0.1:0", "127.0.0.1"),
        ("tcp://localhost:0", "localhost"),
        ("tcp://*:0", "127.0.0.1"),
        pytest.param("tcp://*:0", "::1", marks=IPV6),
        pytest.param("tcp://[::1]:0", "::1", marks=IPV6),
    ],
)
async def test_bind_and_connect(text, reached_at):
    address = Address.parse(text)
    with bind(address, 5) as listener:
        port = int(bound(listener, address).rpartition(":")[2])
        assert port == listener.getsockname()[1]
        host = f"[{reached_at}]" if ":" in reached_at else reached_at
        (await connect(Address.parse(f"tcp://{host}:{port}"), LinkOptions())).close()


def test_an_address_in_use():
    with bind(Address.parse("tcp://127.0.0.1:0"), 5) as listener:
        taken = Address.parse(f"tcp://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(OSError) as error:
            bind(taken, 5)
    assert error.value.errno == errno.EADDRINUSE


async def test_paths(tmp_path):
    address = Address.parse(f"ipc://{tmp_path}/x")
    with bind(address, 5) as listener:
        assert bound(listener, address) == str(address)
        with pytest.raises(OSError) as error:
            bind(address, 5)
        assert error.value.errno == errno.EADDRINUSE
        (await connect(address, LinkOptions())).close()
    # Without a listener the file stays, as it does after a server was killed.
    assert stat.S_ISSOCK((tmp_path / "x").stat().st_mode)
    bind(address, 5).close()


def test_a_path_that_is_no_socket_is_left_alone(tmp_path):
    (tmp_path / "x").write_text("precious")
    with pytest.raises(OSError, match="is no socket"):
        bind(Address.parse(f"ipc://{tmp_path}/x"), 5)
    assert (tmp_path / "x").read_text() == "precious"


def test_a_path_in_no_folder_says_so(tmp_path):
    with pytest.raises(OSError, match=f"there is no folder {tmp_path}/no"):
        bind(Address.parse(f"ipc://{tmp_path}/no/x"), 5)


def test_who_listens_and_accepts_nobody_is_not_waited_for(tmp_path):
    path = str(tmp_path / "x")
    waiting = []
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(path)
        other.listen(0)
        while True:  # a full backlog: a blocking connect would wait for the other to accept
            waiting.append(socket.socket(socket.AF_UNIX))
            waiting[-1].setblocking(False)
            if waiting[-1].connect_ex(path):
                break
        with pytest.raises(OSError) as error:
            bind(Address.parse(f"ipc://{path}"), 5)
        for one in waiting:
            one.close()
    assert error.value.errno == errno.EADDRINUSE


async def test_names_without_a_file(tmp_path, monkeypatch):
    """As libzmq has them: a name that begins with @ is one of Linux alone."""
    monkeypatch.chdir(tmp_path)
    address = Address.parse(f"ipc://@{tmp_path}")
    with bind(address, 5) as listener:
        assert listener.getsockname() == f"\0{tmp_path}".encode()
        (await connect(address, LinkOptions())).close()
    assert list(tmp_path.iterdir()) == []


def test_options_reach_the_kernel(pair):
    options = SocketOptions(
        zmq_rcvbuf=50_000, zmq_sndbuf=60_000, zmq_tcp_keepalive_idle=33.2, zmq_tcp_keepalive_cnt=7
    )
    with socket.socket() as sock:
        prepare(sock, options)
        assert not sock.getblocking()
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) >= 50_000
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) >= 60_000
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 34
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == 7
    with socket.socket() as sock:
        prepare(sock, SocketOptions(zmq_tcp_keepalive=0))
        assert not sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    prepare(pair()[0], options)


@pytest.mark.parametrize(
    "text", [f"tcp://{'x' * 64}.invalid:5000", f"tcp://{'y.' * 130}invalid:5000", "ipc:///no/where"]
)
async def test_what_cannot_be_reached_is_an_os_error(text):
    with pytest.raises(OSError):  # noqa: PT011
        await connect(Address.parse(text), LinkOptions())


async def test_who_does_not_answer_is_waited_for_as_long_as_a_handshake():
    # A full backlog: the kernel drops what comes.
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        where = listener.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for one in fillers:
            one.setblocking(False)
            one.connect_ex(where)
        address = Address.parse(f"tcp://127.0.0.1:{where[1]}")
        with pytest.raises(OSError, match=r"no answer within 0\.1 s"):
            await connect(address, LinkOptions(handshake_timeout=0.1))
        for one in fillers:
            one.close()


async def test_what_was_written_arrives_in_spite_of_unread_bytes():
    """A plain close would throw away what the kernel has not delivered."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as theirs:
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        theirs.connect(listener.getsockname())
        ours, _ = listener.accept()
        theirs.setblocking(False)
        ours.setblocking(False)
        await loop.sock_sendall(theirs, b"never read")
        await loop.sock_sendall(ours, b"x" * 500_000)
        parting = asyncio.ensure_future(close_gracefully(ours, 5))
        found = 0
        while data := await loop.sock_recv(theirs, 10_000):
            found += len(data)
        assert found == 500_000
        theirs.close()
        await parting
        assert ours.fileno() == -1


@pytest.mark.parametrize("seconds", [0.0, 0.05])
async def test_a_parting_has_an_end(pair, seconds):
    ours, theirs = pair()
    await close_gracefully(ours, seconds)
    assert ours.fileno() == -1
    assert theirs.recv(1) == b""


def test_an_option_out_of_range_is_an_error_of_the_system():
    with socket.socket() as sock, pytest.raises(OSError, match="out of range"):
        prepare(sock, SocketOptions(zmq_sndbuf=1 << 40))


async def test_a_refused_connection_says_why():
    with bind(Address.parse("tcp://127.0.0.1:0"), 5) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectionRefusedError) as error:
        await connect(Address.parse(f"tcp://127.0.0.1:{port}"), LinkOptions())
    assert error.value.strerror == "Connection refused"


def test_quiet_is_who_has_read_everything_and_was_read(pair):
    ours, theirs = pair()
    assert quiet(ours)
    theirs.send(b"x")
    assert not quiet(ours)
    ours.recv(1)
    assert quiet(ours)
    ours.send(b"y")
    assert not quiet(ours)
    theirs.recv(1)
    assert quiet(ours)
    with Path("/dev/null").open() as none:
        assert not quiet(none)


@pytest.fixture
def tcp_pair():
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
    with ours, theirs:
        ours.setblocking(False)
        yield ours, theirs


async def test_a_peer_is_reached_whose_system_has_everything(tcp_pair, until):
    ours, theirs = tcp_pair
    assert reached(ours)
    theirs.send(b"x" * 1000)
    ours.send(b"x")
    await until(lambda: reached(ours))
    with contextlib.suppress(BlockingIOError):
        while ours.send(b"x" * 65_536):
            pass
    assert not reached(ours)


async def test_a_peer_that_has_ended_is_not_reached(tcp_pair, pair, until):
    for ours, theirs in (tcp_pair, pair()):
        theirs.send(b"x" * 1000)
        theirs.close()
        await until(lambda sock=ours: not reached(sock))
        ours.close()
        assert not reached(ours)


def test_a_program_that_does_not_read_a_unix_socket_is_there(pair):
    ours, _ = pair()
    ours.send(b"x")
    assert reached(ours)


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666])
async def test_the_file_of_a_unix_socket_has_the_mode_it_should_have(tmp_path, mask, mode):
    """Never more than that, also not between bind and chmod."""
    path = tmp_path / "s"
    seen = []
    chmod = Path.chmod

    def watched(self, wanted):
        seen.append(stat.S_IMODE(self.stat().st_mode))
        chmod(self, wanted)

    before = os.umask(mask)
    try:
        with mock.patch.object(Path, "chmod", watched):
            sock = bind(Address.parse(f"ipc://{path}"), 5, mode)
    finally:
        os.umask(before)
    sock.close()
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert seen == [mode & ~mask]


async def test_without_a_mode_the_umask_decides(tmp_path):
    path = tmp_path / "s"
    before = os.umask(0o027)
    try:
        bind(Address.parse(f"ipc://{path}"), 5).close()
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o750


def test_the_place_of_an_address_is_where_it_is_bound(tmp_path):
    for text in ("tcp://127.0.0.1:5000", "tcp://localhost:5000"):
        assert place_of(Address.parse(text)) == (socket.AF_INET, ("127.0.0.1", 5000))
    file = f"{tmp_path}/x"
    assert place_of(Address.parse(f"ipc://{file}")) == (socket.AF_UNIX, file)


async def test_a_connection_of_asyncio_is_given_up_without_its_end(pair):
    ours, theirs = pair()
    reader, writer = await asyncio.open_connection(sock=ours)
    sock = detached(writer)
    theirs.send(b"for the new owner")
    assert await asyncio.get_running_loop().sock_recv(sock, 100) == b"for the new owner"
    sock.send(b"an answer")
    assert theirs.recv(100) == b"an answer"
    sock.close()


async def test_what_has_not_arrived_is_what_the_other_side_has_no_room_for(until):
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
    with ours, theirs:
        ours.setblocking(False)
        assert unsent(ours) == 0
        with pytest.raises(BlockingIOError):
            while ours.send(bytes(1 << 20)):
                pass
        assert unsent(ours) > 0
        theirs.setblocking(False)

        def read():
            with contextlib.suppress(BlockingIOError):
                theirs.recv(1 << 20)
            return unsent(ours) == 0

        await until(read)
    assert unsent(ours) == 0
