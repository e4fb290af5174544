"""Listener sections: the class of their protocol, its options, and what is wrong with them."""

from dataclasses import dataclass

from ccproxy import Problem, kinds, option
from ccproxy.config.build import build
from ccproxy.plugins import Plugins
from ccproxy.protocol import ListenerOptions, MessageProtocol

INI = """\
[ccserver]
cc-socket = tcp://127.0.0.1:1
cc-role = local
[listen:own]
protocol = own
address = tcp://127.0.0.1:2
depth = 3
{}[routes]
"""


@dataclass(frozen=True, slots=True)
class Options(ListenerOptions):
    depth: int = option(kinds.positive, default=1, help="how deep")


class Own(MessageProtocol):
    Options = Options
    about = "made up"

    def check(self, plan):
        if plan.options.depth > 5:
            yield plan.problem("depth", f"too deep for {self.word}", "use 5", warning=True)


class Breaks(Own):
    def check(self, plan):
        raise RuntimeError("on purpose")


class Finder(Plugins):
    factory = Own

    def protocol(self, word, folders=()):
        return self.factory if word == "own" else super().protocol(word, folders)

    def protocols(self, folders=()):
        return [*super().protocols(folders), "own"]


def built(tmp_path, monkeypatch, more="", finder=Finder):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.ini").write_text(INI.format(more))
    plan, problems = build("x.ini", {}, finder())
    return plan, [str(one) for one in problems]


def test_a_listener_has_the_options_of_its_protocol_and_those_of_all(tmp_path, monkeypatch):
    plan, problems = built(tmp_path, monkeypatch, "max-peers = 7\n")
    assert problems == []
    listener = plan.listener("listen:own")
    assert listener.factory is Own and listener.options == Options(depth=3, max_peers=7)
    assert (listener.line, listener.lines["depth"], listener.type) == (6, 7, "")


def test_options_of_other_protocols_are_a_warning_that_names_them(tmp_path, monkeypatch):
    plan, [problem] = built(tmp_path, monkeypatch, "timeout = 3 s\n")
    assert plan is not None
    assert problem == (
        'x.ini:8: warning: "timeout" in [listen:own] has no meaning with protocol = own; '
        "it belongs to http, https, jsonrpc, jsonrpcs, soap, soaps, sodep, sodeps"
    )
    _, [problem] = built(tmp_path, monkeypatch, "dept = 3\n")
    assert problem == 'x.ini:8: unknown option "dept" in [listen:own]; did you mean "depth"?'


def test_a_type_that_would_not_be_obeyed_is_a_mistake(tmp_path, monkeypatch):
    plan, [problem] = built(tmp_path, monkeypatch, "type = x\n")
    assert plan is None and "its messages carry their type" in problem


def test_the_protocol_checks_its_sections(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ini = INI.replace("depth = 3", "depth = 9")
    (tmp_path / "x.ini").write_text(ini.format(""))
    plan, [problem] = build("x.ini", {}, Finder())
    assert plan is not None
    assert str(problem) == "x.ini:7: warning: [listen:own]: too deep for own; use 5"


def test_a_check_that_raises_is_a_problem_of_its_section(tmp_path, monkeypatch):
    class Broken(Finder):
        factory = Breaks

    plan, [problem] = built(tmp_path, monkeypatch, finder=Broken)
    assert plan is None
    start = (
        "x.ini:6: [listen:own] cannot be checked: RuntimeError: on purpose; "
        'a fault of protocol "own", test_listeners.py:'
    )
    assert problem.startswith(start)


def test_a_protocol_that_cannot_be_had_is_said_where_it_is_named(tmp_path, monkeypatch):
    class Without(Finder):
        def protocol(self, word, folders=()):
            return Problem("", 0, "gone") if word == "own" else super().protocol(word, folders)

    plan, problems = built(tmp_path, monkeypatch, "[listen:cc]\nprotocol = zebra\n", Without)
    assert plan is None
    assert problems[0] == "x.ini:5: gone"
    assert 'x.ini:9: no protocol "zebra"; known: cc, ' in "\n".join(problems)
