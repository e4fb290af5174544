"""The place of the control socket, its mode and owner, and sockets that are in the way."""

import fcntl
import os
import socket
import stat
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest

from ccproxy.process import control_socket as module
from ccproxy.process.control_socket import (
    ControlSocketError,
    belongs_to,
    chosen,
    open_at,
    open_control,
    open_first,
    own_directory,
    peer_user,
    places,
    places_to_look,
    socket_name,
    stopped_process,
)

USER = os.geteuid()


@pytest.fixture
def tmp_path():
    """A folder with a short path: that of a socket has 107 bytes at most."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="cc-") as folder:
        yield Path(folder)


@pytest.fixture(autouse=True)
def _directories(tmp_path, monkeypatch):
    """The directories of the system, in a place of this test."""
    (tmp_path / "run").mkdir()
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(module, "SHARED", tmp_path / "run" / "ccserver")
    monkeypatch.setattr(module, "OWN", tmp_path / "tmp")


@pytest.fixture
def opened():
    """Open a socket that is closed at the end of the test."""
    made = []

    def opened(call, *args):
        made.append(call(*args))
        return made[-1]

    yield opened
    for one in made:
        one.socket.close()


def answers(path):
    with socket.socket(socket.AF_UNIX) as sock:
        return sock.connect_ex(str(path)) == 0


def test_the_name_follows_from_the_file_alone(tmp_path, monkeypatch):
    file = tmp_path / "my server.ini"
    file.touch()
    (tmp_path / "link.ini").symlink_to(file)
    name = socket_name(file)
    assert name.startswith("my_server-") and name.endswith(".sock")
    monkeypatch.chdir(tmp_path)
    for variable in ("HOME", "TMPDIR", "XDG_RUNTIME_DIR", "RUNTIME_DIRECTORY"):
        monkeypatch.setenv(variable, "/elsewhere")
    assert socket_name(Path("my server.ini")) == socket_name(Path("link.ini")) == name
    assert socket_name(tmp_path / "sub" / "my server.ini") != name
    assert len(socket_name(Path("x" * 200 + ".ini"))) < 60


def test_a_socket_has_mode_600_in_a_directory_with_mode_700(opened):
    [_, shared, own] = places(Path("x.ini"), USER)
    before = os.umask(0)
    try:
        found = opened(open_first, [own])
    finally:
        os.umask(before)
    assert stat.S_IMODE(own.stat().st_mode) == 0o600
    assert stat.S_IMODE(own.parent.stat().st_mode) == 0o700
    assert own.parent == own_directory(USER) != shared.parent
    assert answers(own)
    assert [one.name for one in own.parent.iterdir()] == [own.name]
    found.remove()
    assert not own.exists()


def test_it_never_has_another_mode_under_its_name(opened, tmp_path, monkeypatch):
    """At the moment it gets its name it is finished: mode 600, and it listens."""
    seen = []
    rename = Path.rename

    def renamed(self, target):
        seen.append((stat.S_IMODE(self.stat().st_mode), stat.S_IMODE(self.parent.stat().st_mode),
                     answers(self)))  # fmt: skip
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", renamed)
    opened(open_at, tmp_path / "x.sock")
    assert seen == [(0o600, 0o700, True)]


def test_the_first_place_that_can_be_used_is_taken(opened, tmp_path):
    [_, shared, own] = places(Path("x.ini"), USER)
    (tmp_path / "run").rmdir()
    assert opened(open_first, [shared, own]).path == own
    (tmp_path / "run").mkdir()
    assert opened(open_first, [shared, own]).path == shared


def test_the_directory_of_a_unit_may_be_readable_by_others(opened):
    """systemd makes it with mode 755 unless told otherwise; sockets for others may be there."""
    [_, shared, own] = places(Path("x.ini"), USER)
    shared.parent.mkdir(0o755)
    assert opened(open_first, [shared, own]).path == shared
    shared.parent.chmod(0o775)
    assert opened(open_first, [shared, own]).path == own


def test_the_directory_of_one_unit_among_others(opened, tmp_path):
    """`RuntimeDirectory=ccserver/%i`; with DynamicUser it may be a link that systemd made."""
    [unit, shared, own] = places(Path("x.ini"), USER)
    shared.parent.mkdir(0o755)
    assert opened(open_first, [unit, own]).path == own
    (tmp_path / "private").mkdir(0o755)
    unit.parent.symlink_to(tmp_path / "private")
    roots = USER == 0
    assert opened(open_first, [unit, own.with_name("other.sock")]).path == (
        unit if roots else own.with_name("other.sock")
    )


def test_a_directory_of_another_kind_is_refused(tmp_path):
    [path] = places(Path("x.ini"), USER)[2:]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(0o700)
    path.parent.symlink_to(elsewhere)
    with pytest.raises(ControlSocketError, match="is no directory"):
        open_first([path])
    path.parent.unlink()
    path.parent.write_text("x")
    with pytest.raises(ControlSocketError, match="is no directory"):
        open_first([path])
    path.parent.unlink()
    path.parent.mkdir(0o777)
    path.parent.chmod(0o777)
    with pytest.raises(ControlSocketError, match="has mode 777, expected 700"):
        open_first([path])
    assert list(elsewhere.iterdir()) == []


@pytest.mark.skipif(USER != 0, reason="only root can give a directory away")
def test_a_directory_of_another_user_is_refused():
    [path] = places(Path("x.ini"), USER)[2:]
    path.parent.mkdir(0o700)
    os.chown(path.parent, 65534, 65534)
    with pytest.raises(ControlSocketError, match="belongs to user 65534, expected 0"):
        open_first([path])


def test_root_looks_in_the_directories_of_all_users(tmp_path):
    name = socket_name(Path("x.ini"))
    for directory in (f"ccserver-{USER}", "ccserver-4294", "ccserver-x", "other"):
        (tmp_path / "tmp" / directory).mkdir(0o700)
    usual = [
        module.SHARED / "x" / name, module.SHARED / name, own_directory(4294) / name,
    ]  # fmt: skip
    assert places_to_look(Path("x.ini"), 4294) == usual
    found = places_to_look(Path("x.ini"), 0)
    assert found[:3] == [*usual[:2], own_directory(0) / name]
    # A directory that does not belong to the user of its name was made by another user.
    assert own_directory(4294) / name not in found


@pytest.mark.skipif(USER != 0, reason="only root can give a directory away")
def test_root_finds_the_server_of_a_user(tmp_path):
    own_directory(4294).mkdir(0o700)
    os.chown(own_directory(4294), 4294, 4294)
    assert own_directory(4294) / socket_name(Path("x.ini")) in places_to_look(Path("x.ini"), 0)


def test_a_live_server_keeps_its_socket(opened, tmp_path):
    path = tmp_path / "x.sock"
    opened(open_at, path)
    identity = path.stat().st_ino
    with pytest.raises(ControlSocketError, match="another server has"):
        open_at(path)
    assert path.stat().st_ino == identity
    assert answers(path)


def test_a_server_that_is_too_busy_to_accept_lives(opened, tmp_path):
    path = tmp_path / "x.sock"
    opened(open_at, path).socket.listen(0)
    with socket.socket(socket.AF_UNIX) as one, socket.socket(socket.AF_UNIX) as two:
        for sock in (one, two):
            sock.setblocking(False)
            sock.connect_ex(str(path))
        with pytest.raises(ControlSocketError, match="another server has"):
            open_at(path)


def test_a_stale_socket_is_replaced(opened, tmp_path):
    path = tmp_path / "x.sock"
    open_at(path).socket.close()
    assert path.is_socket() and not answers(path)
    opened(open_at, path)
    assert answers(path)


def test_a_file_in_the_way_is_not_touched(tmp_path):
    path = tmp_path / "x.sock"
    path.write_text("precious")
    with pytest.raises(ControlSocketError, match="exists and is no socket"):
        open_at(path)
    assert path.read_text() == "precious"


def test_only_our_own_socket_is_removed(opened, tmp_path):
    path = tmp_path / "x.sock"
    first = opened(open_at, path)
    path.unlink()
    opened(open_at, path)
    first.remove()
    assert answers(path)


def test_many_at_once_have_it_one_after_the_other(tmp_path):
    """Of servers that start at the same time one gets the socket, all others are told so."""
    path = tmp_path / "x.sock"
    path.parent.mkdir(exist_ok=True)
    open_at(path).socket.close()
    made, refused = [], []

    def start():
        try:
            made.append(open_at(path))
        except ControlSocketError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(made), len(refused)) == (1, 7)
    assert answers(path)
    made[0].socket.close()


def test_a_directory_that_stays_locked_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LOCK_TIMEOUT", 0.05)
    lock = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    with pytest.raises(ControlSocketError, match="is locked by another process"):
        open_at(tmp_path / "x.sock")
    os.close(lock)


def test_what_killed_servers_left_behind_goes_away(opened):
    dead, alive, ours = [places(Path(name), USER)[2] for name in ("a.ini", "b.ini", "c.ini")]
    open_first([dead]).socket.close()
    opened(open_first, [alive])
    (alive.parent / "note.sock").write_text("no socket")
    opened(open_first, [ours])
    assert sorted(one.name for one in ours.parent.iterdir()) == sorted(
        [alive.name, ours.name, "note.sock"]
    )


@pytest.mark.parametrize(("path", "why"), [("no/x.sock", "No such file"), ("x" * 120, "too long")])
def test_a_path_that_cannot_be_had_is_named(tmp_path, path, why):
    with pytest.raises(ControlSocketError, match=f"{path}.*{why}"):
        open_at(tmp_path / path)


def test_the_option_of_the_configuration(opened, tmp_path):
    file = tmp_path / "x.ini"
    assert open_control(file, "no") is None
    assert chosen(file, "no") is None is chosen(file, "")
    assert chosen(file, "sub/c.sock") == tmp_path / "sub" / "c.sock"
    assert chosen(file, "/run/c.sock") == Path("/run/c.sock")
    assert opened(open_control, file, "c.sock").path == tmp_path / "c.sock"
    assert opened(open_control, file, "").path in places(file, USER)


CONNECT = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.recv(1)"


@pytest.mark.skipif(USER != 0, reason="only root can become another user")
def test_the_user_of_the_other_end_is_known(opened):
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        Path(directory).chmod(0o755)
        path = Path(directory) / "x.sock"
        listening = opened(open_at, path).socket
        listening.settimeout(30)
        path.chmod(0o666)
        command = ["setpriv", "--reuid=65534", "--clear-groups", "/usr/bin/env", "python3", "-c"]
        with subprocess.Popen([*command, CONNECT, str(path)]) as process:
            accepted, _ = listening.accept()
            with accepted:
                assert peer_user(accepted) == 65534
                assert stopped_process(accepted) is None
            process.wait(30)


def test_a_lent_socket_keeps_its_file(tmp_path, opened):
    place = opened(open_at, tmp_path / "x.sock")
    place.lent = True
    place.remove()
    assert place.path.exists()
    place.lent = False
    place.remove()
    assert not place.path.exists()


def test_which_places_are_those_of_a_configuration(tmp_path):
    file = tmp_path / "x.ini"
    assert all(belongs_to(one, file, "") for one in places(file, USER))
    assert not belongs_to(tmp_path / "x.sock", file, "")
    assert belongs_to(tmp_path / "x.sock", file, "x.sock")
    assert not belongs_to(places(file, USER)[0], file, "x.sock")
    assert not belongs_to(places(file, USER)[0], file, "no")


def test_a_directory_that_is_locked_for_a_while_is_waited_for(opened):
    """By a server that a busy machine lets wait; dead sockets are not looked at meanwhile."""
    [path] = places(Path("x.ini"), USER)[2:]
    path.parent.mkdir(0o700)
    lock = os.open(path.parent, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    ends = threading.Timer(2.5, os.close, [lock])
    ends.start()
    assert opened(open_first, [path]).path == path
    ends.join()
