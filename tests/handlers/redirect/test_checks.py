import pytest

from ccproxy.config.build import build
from ccproxy.plugins import Plugins

HEAD = """[ccserver]
cc-socket = tcp://127.0.0.1:1
cc-role = remote
[routes]
calc = h:calc
"""
SUM = "[h:sum]\nhandler = redirect\nlocation = socket://h:1\n"
ECHO = "[h:echo]\nhandler = echo\n"
CALC = "[h:calc]\nhandler = redirect\n"


@pytest.fixture
def problems(tmp_path):
    def problems(text):
        file = tmp_path / "x.ini"
        file.write_text(HEAD + text)
        plan, found = build(str(file), {}, Plugins())
        return [str(one).partition(": ")[2] for one in found]

    return problems


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"{CALC}redirects = A => h:echo\n{ECHO}", "[h:echo] is no redirect"),
        (f"{CALC}redirects = A => h:b\n[h:b]\nhandler = redirect\noperations = a => h:sum\n{SUM}",
         '[h:b] has no "location"'),
        (f"{CALC}redirects = A => h:nope\n", "which does not exist"),
        (f"{CALC}redirects = A => h:sum\ncouriers = h:echo\n{SUM}{ECHO}", "without"),
        (f"{CALC}location = socket://h:1\ncouriers = h:echo\n{ECHO}", "is no courier"),
        (f"{CALC}location = socket://h:1\nrelocate-from = admin\n", 'no listener "admin"'),
        (f"{CALC}location = socket://h:1\nrelocate-from = ccserver\n", "relocate.calc = h:calc"),
        (f"relocate.x = h:calc\n{CALC}location = socket://h:1\n", "no listener may send any"),
        (f"{CALC}", 'lacks "location"'),
        (f"{CALC}location = socket://h:1\nprotocol = sodeb\n", 'did you mean "sodep"?'),
        (f"{CALC}location = socket://h:1\nprotocol = cc\n", "no service can be called in"),
    ],
)  # fmt: skip
def test_what_check_says(problems, text, says):
    assert any(says in one for one in problems(text)), problems(text)


WEB = "[listen:w]\nprotocol = http\naddress = tcp://127.0.0.1:2\ntype = calc\nhttp = pass\n"


def test_requests_that_are_passed_to_a_service_that_takes_calls(problems):
    [found] = problems(f"{CALC}location = socket://h:1\n{WEB}")
    assert "requests of [listen:w] for calc get 502" in found and "protocol = sodep" in found
    assert problems(f"{CALC}location = socket://h:1\nprotocol = http\n{WEB}") == []
    assert problems(f"{CALC}location = socket://h:1\n{WEB.replace('= calc', '= ca')}") == []
    assert problems(f"{CALC}location = socket://h:1\n{WEB.replace('http = pass', '')}") == []


def test_a_sound_one(problems):
    assert problems(f"{CALC}redirects = A => h:sum\noperations = sum => h:sum\n{SUM}") == []
