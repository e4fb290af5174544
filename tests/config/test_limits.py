import pytest

INI = """\
    [ccserver]
    cc-socket = tcp://127.0.0.1:5000
    cc-role = insecure
    {options}
    [routes]
    [h:echo]
    handler = echo
"""


def check(ini, call, *options):
    status, out, _ = call("check", ini(INI.format(options="\n    ".join(options))))
    assert status == 0
    return [line.partition(": ")[2] for line in out.splitlines() if "memory = " in line]


@pytest.mark.parametrize("memory", ["", "memory = 0", "memory = 1 GiB"])
def test_what_makes_sense(ini, call, memory):
    assert check(ini, call, memory) == []


def test_memory_that_is_too_little(ini, call):
    found = check(ini, call, "memory = 64", "max-peers = 1", "max-message = 30")
    assert [one.partition(";")[0] for one in found] == [
        "memory = 64 B holds hardly any message",
        "memory = 64 B, but 1 peers may hold 16 KiB each",
    ] or len(found) == 2


def test_a_message_or_many_peers_take_it_all(ini, call):
    [found] = check(ini, call, "memory = 64 MiB", "max-peers = 100")
    assert "[ccserver]: a message of max-message = 64 MiB takes most of memory = 64 MiB" in found
    [found] = check(ini, call, "memory = 64 MiB", "max-message = 1 MiB")
    assert "memory = 64 MiB, but 10000 peers may hold 16 KiB each" in found
