"""Who listens on an address that another section has already."""

from ccproxy.config.taken import TakenAddresses


def test_the_first_one_has_the_address():
    taken = TakenAddresses("x.ini")
    assert taken.take("h:a", 3, "tcp://127.0.0.1:1") == []
    assert taken.take("h:b", 5, "ipc:///x") == taken.take("h:b", 5, "tcp://127.0.0.1:2") == []
    [problem] = taken.take("h:c", 7, "socket://localhost:1")
    assert (problem.file, problem.line, problem.warning) == ("x.ini", 7, False)
    assert problem.what == "[h:c] listens on tcp://localhost:1"
    assert problem.hint == "[h:a] in line 3 has tcp://127.0.0.1:1"


def test_a_port_that_the_system_chooses_is_never_taken():
    taken = TakenAddresses("x.ini")
    assert taken.take("h:a", 3, "tcp://*:0") == taken.take("h:b", 5, "tcp://*:0") == []
