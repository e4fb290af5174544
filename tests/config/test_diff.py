"""The difference of two plans, as a reload needs it."""

from ccproxy.config.diff import Change, Delta, diff

INI = """[ccserver]
cc-socket = tcp://127.0.0.1:22632
cc-role = local
[listen:more]
protocol = cc
address = tcp://127.0.0.1:22633
[routes]
log = h:out
task = h:late
echo = h:echo
[h:echo]
handler = echo
[h:out]
handler = proxy
remote-cc = tcp://127.0.0.1:22640
[h:late]
handler = delay
forward-to = h:out
"""


def change(plan_of, *replacements):
    new = INI
    for old, by in replacements:
        assert old in new
        new = new.replace(old, by)
    return diff(plan_of(INI), plan_of(new))


def test_nothing_changed(plan_of):
    one = change(plan_of)
    assert not one
    assert one.listeners == Delta(kept=("ccserver", "listen:more"))
    assert one.handlers == Delta(kept=("h:out", "h:late", "h:echo"))
    assert str(one) == "nothing changed"


def test_the_order_of_routes_means_nothing(plan_of):
    moved = ("log = h:out\ntask = h:late", "task = h:late\nlog = h:out")
    assert not change(plan_of, moved)


def test_routes(plan_of):
    one = change(plan_of, ("log = h:out", "log = h:out, h:echo"))
    assert one.routes
    assert not one.handlers
    assert str(one) == "routes changed"


def test_a_changed_handler_takes_those_along_that_refer_to_it(plan_of):
    one = change(plan_of, ("22640", "22641"))
    assert one.handlers == Delta(changed=("h:out", "h:late"), kept=("h:echo",))
    assert not one.routes
    assert str(one) == "handlers changed: h:out, h:late"


def test_handlers_come_and_go(plan_of):
    one = change(
        plan_of,
        ("echo = h:echo\n", "sink = h:sink\n"),
        ("[h:echo]\nhandler = echo", "[h:sink]\nhandler = disposer"),
    )
    assert one.handlers.added == ("h:sink",)
    assert one.handlers.removed == ("h:echo",)
    assert one.routes


def test_a_reference_to_a_new_section_replaces_the_handler_that_refers(plan_of):
    one = change(
        plan_of,
        ("forward-to = h:out\n", "forward-to = h:new\n[h:new]\nhandler = disposer\n"),
    )
    assert one.handlers == Delta(added=("h:new",), changed=("h:late",), kept=("h:out", "h:echo"))


def test_listeners(plan_of):
    one = change(plan_of, ("22633", "22634"))
    assert one.listeners == Delta(changed=("listen:more",), kept=("ccserver",))
    one = change(
        plan_of, ("cc-socket = tcp://127.0.0.1:22632", "cc-socket = tcp://127.0.0.1:22635")
    )
    assert one.listeners == Delta(changed=("ccserver",), kept=("listen:more",))
    assert one.server == ()


def test_server_options_and_those_that_need_a_restart(plan_of):
    one = change(
        plan_of, ("cc-role = local", "cc-role = remote\npidfile = /tmp/x\npeer-queue = 1 MiB")
    )
    assert one.server == ("cc-role", "pidfile")
    assert one.fixed == ("pidfile",)
    assert one.listeners.changed == ("ccserver",)
    assert "needs a restart: pidfile" in str(one)


def test_a_change_is_a_value():
    empty = Change(Delta(), Delta(), routes=False, server=(), fixed=())
    assert not empty
    assert empty == Change(Delta(), Delta(), routes=False, server=(), fixed=())
