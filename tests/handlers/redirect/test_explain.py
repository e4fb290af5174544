"""Which service the calls of a type reach, in words."""

import pytest

from ccproxy.commands import common

HEAD = """[ccserver]
cc-socket = tcp://127.0.0.1:5000
cc-role = remote
[listen:calc]
protocol = sodep
address = tcp://127.0.0.1:5001
type = my.calc
[listen:admin]
protocol = cc
address = tcp://127.0.0.1:5002
[routes]
"""
TABLE = """my.calc = h:calc
[h:calc]
handler = redirect
redirects = Sum => h:sum, A/B => h:web
operations = sub => h:sum
[h:sum]
handler = redirect
location = socket://127.0.0.1:5003/!/Inner
[h:web]
handler = redirect
protocol = http
location = socket://127.0.0.1:5004/api
"""
PLACE = "location = socket://127.0.0.1:5003"
ALL = f"* = h:calc\n[h:calc]\nhandler = redirect\n{PLACE}\n"
MOVING = f"""my.calc.Sum = h:calc
relocate.calc = h:calc
[h:calc]
handler = redirect
{PLACE}
"""
SUM = "of the service at socket://127.0.0.1:5003/!/Inner in sodep ([h:sum])"


def said(tmp_path, text: str, type: str) -> str:
    file = tmp_path / "x.ini"
    file.write_text(HEAD + text, "utf-8")
    plan, problems = common.load(file)
    assert plan is not None, problems
    found = plan.handler("h:calc")
    return found.factory("h:calc", found.options).explain(type, plan)


@pytest.mark.parametrize(
    ("text", "type", "expected"),
    [
        (TABLE, "my.calc.Sum.add", f"calls add on resource /Inner {SUM}"),
        (TABLE, "my.calc.Sum.C.add", f"calls add on resource /Inner/C {SUM}"),
        (TABLE, "my.calc.sub", f"calls sub on resource /Inner {SUM}"),
        (
            TABLE,
            "my.calc.A.B.get",
            "calls get of the service at socket://127.0.0.1:5004/api in http ([h:web])",
        ),
        (TABLE, "my.calc.X.add", "answered with a fault: Unknown resource: /X; there are Sum, A/B"),
        (TABLE, "my.calc.add", "answered with a fault: Invalid operation: add"),
        (ALL, "my.calc.add", "calls add of the service at socket://127.0.0.1:5003 in sodep"),
        (
            ALL,
            "my.calc.A.add",
            "calls add on resource /A of the service at socket://127.0.0.1:5003 in sodep",
        ),
        (MOVING, "relocate.calc", "refuses to move the service: no relocate-from"),
        (
            MOVING + "relocate-from = listen:admin\n",
            "relocate.calc",
            "moves the service to another location, for peers of listen:admin",
        ),
        (
            MOVING + "relocate-from = listen:admin\n",
            "my.calc.Sum.add",
            "calls add of the service at socket://127.0.0.1:5003 in sodep"
            "; relocations may have moved it",
        ),
    ],
)
def test_the_service_that_is_called(text, type, expected, tmp_path):
    assert said(tmp_path, text, type) == expected


GUARD = "from ccproxy import Courier, Handler\n\n\nclass Guard(Courier, Handler):\n    pass\n"


def test_couriers_are_named(tmp_path):
    (tmp_path / "guard.py").write_text(GUARD, "utf-8")
    head = HEAD.replace("[listen:calc]", "plugins = .\n[listen:calc]")
    file = tmp_path / "x.ini"
    tail = f"my.calc = h:calc\n[h:calc]\nhandler = redirect\n{PLACE}\ncouriers = h:guard\n"
    file.write_text(f"{head}{tail}[h:guard]\nhandler = guard\n", "utf-8")
    plan, problems = common.load(file)
    assert plan is not None, problems
    found = plan.handler("h:calc")
    about = found.factory("h:calc", found.options).explain("my.calc.add", plan)
    assert about.endswith(" in sodep; h:guard may change call and answer")
