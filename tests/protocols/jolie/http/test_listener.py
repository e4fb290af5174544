"""A listener of HTTP: what it obeys by its address and options, also after a reload."""

import dataclasses
import socket

from ccproxy.config.address import Address
from ccproxy.config.plan import ListenerPlan
from ccproxy.plugins import Plugins
from ccproxy.protocols.jolie.http.access import HttpListenerOptions
from ccproxy.protocols.jolie.http.listener import access_at


def test_its_own_names_are_those_of_machine_and_address(monkeypatch):
    monkeypatch.setattr(socket, "gethostname", lambda: "Server1.example.org")
    access = access_at(Address.parse("tcp://calc.example.net:9000"))
    for name in ("server1", "server1.example.org:9000", "calc.example.net"):
        assert access.refusal({"host": name}) is None
    for name in ("example.org", "server2.example.org", "calc"):
        assert access.refusal({"host": name}).status == 421


def test_no_page_reaches_a_unix_socket_so_that_any_name_is_obeyed_there():
    access = access_at(Address.parse("ipc:///run/x"))
    assert access.refusal({"host": "null"}) is None
    assert access.refusal({"origin": "https://x.example"}).status == 403


async def test_a_reload_holds_for_connections_to_come(kit):
    page = b"GET /a HTTP/1.1\r\nHost: localhost\r\nOrigin: https://app.example\r\n\r\n"
    options = HttpListenerOptions(type="calc")
    for word in ("http", "jsonrpc"):
        factory = Plugins().protocol(word)
        plan = ListenerPlan("listen:c", word, factory, "tcp://127.0.0.1:0", options, 1)
        listener = factory(word).listener(plan, kit())
        before = listener.form.caller()
        assert before.feed(page) == []
        assert before.unwelcome and b"HTTP/1.1 403 " in b"".join(before.take())
        listener.reconfigure(dataclasses.replace(options, origins=("https://app.example",)))
        after = listener.form.caller()
        assert len(after.feed(page)) == 1 and not after.unwelcome
        assert listener.form.packing is not None
        listener.reconfigure(dataclasses.replace(options, gzip=False))
        assert listener.form.packing is None
        listener.reconfigure(dataclasses.replace(options, origins=("https://app.example",)))
        assert listener.form.caller().feed(page.replace(b"app.", b"evil.")) == []
