import pytest

from ccproxy_handlers.ssmmp import repository

GOOD = """
[program orders]
exec = /opt/orders/run --port {port:orders_api} --id '{id} of {name}'
sockets = orders_api, admin
plugs = store_client
env = LEVEL=info COLOR='light blue'
ready = hello
stop_signal = sigint
kill_grace = 500 ms
most = 3

[program legacy]
exec = legacy {port:web} {plug:db}
sockets = web
plugs = db
plug_sockets = db:sql
ready = port
forward = yes
"""


def test_programs():
    found, problems = repository.parse("r.ini", GOOD)
    assert not problems
    assert found.names == ("orders", "legacy")
    orders = found.programs["orders"]
    assert orders.exec == (
        "/opt/orders/run", "--port", "{port:orders_api}", "--id", "{id} of {name}"
    )  # fmt: skip
    assert orders.env == (("LEVEL", "info"), ("COLOR", "light blue"))
    assert (orders.stop_signal, orders.kill_grace, orders.most) == ("INT", 0.5, 3)
    assert orders.speaks and not found.programs["legacy"].speaks
    values = {"port:orders_api": "54001", "id": "7", "name": "orders"}
    assert [repository.filled(one, values) for one in orders.exec[1:]] == [
        "--port", "54001", "--id", "7 of orders"
    ]  # fmt: skip


WRONG = [
    ("", 0, "no .program NAME. section"),
    ("[program a]", 1, 'lacks "exec"'),
    ("[program a]\nexec =", 2, "expected a command line"),
    ("[program a]\nexec = a 'b", 2, "expected a command line"),
    ("[program a]\nexec = a {port:x}", 2, "no such socket"),
    ("[program a]\nexec = a {plug:x}", 2, "no such plug"),
    ("[program a]\nexec = a {plug:x}\nplugs = x", 2, "needs forward = yes"),
    ("[program a]\nexec = a {prt}", 2, "expected {port:SOCKET}"),
    ("[program a]\nexec = a\nenv = LEVEL", 3, "expected variables"),
    ("[program a]\nexec = a\nenv = L={port:x}", 3, "no such socket"),
    ("[program a]\nexec = a\nready = soon", 3, "ready"),
    ("[program a]\nexec = a\nready = port", 3, "no sockets"),
    ("[program a]\nexec = a\nforward = yes", 3, "speaks SSMMP"),
    ("[program a]\nexec = a\nplugs = x\nready = spawn\nforward = yes", 5, "which socket x fits"),
    ("[program a]\nexec = a\nplugs = x\nplug-sockets = y:sql", 4, "no plug y"),
    ("[program a]\nexec = a\nplugs = x\nplug-sockets = x", 4, "plugs with the sockets"),
    ("[program a]\nexec = a\nstop_signal = HUPP", 3, "expected a signal"),
    ("[program a]\nexec = a\nsockets = x, x", 3, "a name is given twice"),
    ("[program a]\nexec = a\nname = b", 3, "unknown option .name."),
    ("[program a]\nexec = a\nplug = b", 3, 'did you mean "plugs"'),
]


@pytest.mark.parametrize(("text", "line", "what"), WRONG, ids=[one[2] for one in WRONG])
def test_every_mistake_has_its_line(text, line, what):
    found, problems = repository.parse("r.ini", text)
    assert found is None
    assert [one.line for one in problems] == [line]
    with pytest.raises(ValueError, match=what):
        raise ValueError(str(problems[0]))
