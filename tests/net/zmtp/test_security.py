"""The keys of a listener: who is admitted, under which name, and who may stay after a reload."""

from collections import Counter

import pytest

from ccproxy.config.keys import KeyFault, listener_keys
from ccproxy.config.links import LinkOptions, ZmtpListenerOptions
from ccproxy.core.access import AccessTable
from ccproxy.core.flows import FlowTable, Target
from ccproxy.core.rights import Rights
from ccproxy.net.zmtp import security as module
from ccproxy.net.zmtp.security import ListenerSecurity, VerifiedPasswords, link_mechanism
from ccproxy.wire.zmtp import ZmtpError
from ccproxy.wire.zmtp.curve_keys import key_text
from ccproxy.wire.zmtp.mechanism import Credential
from ccproxy.wire.zmtp.passwords import hashed
from tests.wire.zmtp.curve_partners import CLIENT, OTHER, SERVER

KEY = Credential("curve", key_text(CLIENT.public))
STRANGE = Credential("curve", key_text(OTHER.public))


@pytest.fixture
def folder(tmp_path):
    pair = f'public-key="{key_text(SERVER.public)}"\nsecret-key="{key_text(SERVER.secret)}"\n'
    for name, text in (
        ("server.key_secret", pair),
        ("first.key", f'public-key = "{KEY.value}"\n'),
        ("users", f"joe:{hashed(b'secret')}\n"),
        ("password", "secret\n"),
    ):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    return tmp_path


@pytest.fixture
def made(folder):
    def made(rights=None, **options):
        table = FlowTable(9, lambda type: Target())
        access = AccessTable(table, table.miss)
        access.configure(rights or {})
        paths = {name: value if value == "any" else str(folder / value)
                 for name, value in options.items()}  # fmt: skip
        return ListenerSecurity(ZmtpListenerOptions(**paths), access, Counter())

    return made


def test_without_keys_everybody_is_admitted_and_nobody_has_a_name(made):
    found = made()
    assert not found.active and found.mechanism() is None
    assert found.admit(None) == "" and found.owner(None) == ("", "", "")


def test_certificates_sections_and_anybody(made):
    found = made(curve_secret="server.key_secret", curve_allow="first.key")
    assert found.active and found.mechanism().silent
    assert found.admit(KEY) == "" and found.owner(KEY) == ("first", "curve", KEY.value)
    assert found.admit(STRANGE) == f"key {STRANGE.value} is not allowed"
    assert found.admit(None) == "it has proven no key"
    rights = {("curve", STRANGE.value): Rights("odd", ("x",))}
    found = made(rights, curve_secret="server.key_secret")
    assert found.admit(STRANGE) == "" and found.admit(KEY)
    assert found.owner(STRANGE)[0] == "odd" and found.access(STRANGE).rights.name == "odd"
    found = made(curve_secret="server.key_secret", curve_allow="any")
    assert found.admit(STRANGE) == "" and found.owner(STRANGE)[0] == ""


def test_a_section_opens_no_listener_with_a_list_of_its_own(made):
    rights = {("curve", STRANGE.value): Rights("odd")}
    found = made(rights, curve_secret="server.key_secret", curve_allow="first.key")
    assert found.admit(STRANGE)


def test_files_are_read_again_and_old_keys_stay_if_they_cannot(made, folder):
    options = ZmtpListenerOptions(
        curve_secret=str(folder / "server.key_secret"), curve_allow=str(folder)
    )
    found = made(curve_secret="server.key_secret", curve_allow=".")
    (folder / "first.key").rename(folder / "first.old")
    found.reread(options)
    assert found.admit(KEY)
    (folder / "bad.key").write_text("nothing")
    with pytest.raises(KeyFault):
        found.reread(options)
    assert found.admit(KEY)


def test_users_and_changed_passwords(made, folder):
    found = made(plain_users="users")
    text = (folder / "users").read_text().split(":")[1].strip()
    joe = Credential("plain", "joe", text)
    assert found.admit(joe) == "" and found.owner(joe) == ("joe", "plain", "joe")
    assert "new password" in found.admit(Credential("plain", "joe", hashed(b"secret")))
    assert found.admit(Credential("plain", "ann", "")) and found.admit(None) and found.admit(KEY)


def test_a_right_password_is_hashed_once(monkeypatch):
    asked = []

    def verified(password, text):
        asked.append(text)
        return password == b"right"

    monkeypatch.setattr(module, "verified", verified)
    monkeypatch.setattr(module, "VERIFIED", 1)
    known, users = VerifiedPasswords(), {"joe": "hash", "ann": "other"}
    for _ in range(3):
        assert known.check(users, "joe", b"right") == Credential("plain", "joe", "hash")
    assert asked == ["hash"]
    for user, password in (("joe", b"wrong"), ("nobody", b"right"), ("joe", b"wrong")):
        with pytest.raises(ZmtpError, match="no user '.*' with this password"):
            known.check(users, user, password)
    assert asked[1:] == ["hash", module.NOBODY, "hash"]
    known.check(users, "ann", b"right")
    known.check(users, "joe", b"right")
    assert asked[-2:] == ["other", "hash"]


def test_the_mechanism_of_a_link(folder):
    assert link_mechanism(LinkOptions()) is None
    curve = link_mechanism(LinkOptions(curve_server=key_text(SERVER.public)))
    assert (curve.name, curve.as_server) == (b"CURVE", False)
    plain = LinkOptions(plain_user="joe", plain_password_file=str(folder / "password"))
    assert link_mechanism(plain).name == b"PLAIN"


def test_peers_that_are_refused_are_counted(folder):
    table = FlowTable(9, lambda type: Target())
    access = AccessTable(table, table.miss)
    counts = Counter()
    paths = {"curve_secret": str(folder / "server.key_secret"),
             "curve_allow": str(folder / "first.key")}  # fmt: skip
    curve = ListenerSecurity(ZmtpListenerOptions(**paths), access, counts)
    assert not curve._admit_key(KEY) and curve._admit_key(STRANGE)
    plain = ListenerSecurity(ZmtpListenerOptions(plain_users=str(folder / "users")), access, counts)
    with pytest.raises(ZmtpError):
        plain._check_password(listener_keys(plain._options).users, "joe", b"wrong")
    assert counts == {"key-refused": 1, "password-refused": 1}
