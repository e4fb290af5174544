"""The seal behind the handshake: two of ours against each other."""

import pytest

from ccproxy.wire.zmtp.curve import FASTEST_BOXES, PLAIN_BOXES, CurveSeal, SessionKeys, shared_key
from ccproxy.wire.zmtp.frames import ZmtpError, frame, pack
from ccproxy.wire.zmtp.gather import MessageTooBig
from tests.wire.zmtp.curve_partners import CLIENT, SERVER

RUN = pack([b"", b"type", b"x" * 300]) + pack([b"one"]) + pack([b"two", b""])


def pair(functions=FASTEST_BOXES, longest=1 << 20):
    return (
        CurveSeal(SessionKeys(CLIENT, SERVER.public, 2, 1), False, longest, functions),
        CurveSeal(SessionKeys(SERVER, CLIENT.public, 1, 2), True, longest, functions),
    )


@pytest.mark.parametrize("functions", [PLAIN_BOXES, FASTEST_BOXES], ids=["plain", "fastest"])
@pytest.mark.parametrize("step", [1, 7, 64, 10_000])
def test_frames_pass_both_ways_however_they_are_cut(functions, step):
    for sender, receiver in (pair(functions), reversed(pair(functions))):
        [(sealed, size)] = sender.seal(memoryview(RUN))
        assert size == len(RUN)
        assert b"type" not in sealed
        cuts = [sealed[at : at + step] for at in range(0, len(sealed), step)]
        assert b"".join(map(receiver.open, cuts)) == RUN


def test_the_two_directions_have_different_nonces():
    client, server = pair()
    [(sealed, _)] = client.seal(frame(b"x"))
    with pytest.raises(ZmtpError, match="not made with the keys"):
        client.open(sealed)
    assert server.open(sealed) == frame(b"x")


def test_each_frame_is_sealed_anew():
    client, server = pair()
    first, second = (client.seal(frame(b"same"))[0][0] for _ in range(2))
    assert first != second
    assert server.open(first) + server.open(second) == 2 * frame(b"same")
    with pytest.raises(ZmtpError, match="sent before"):
        server.open(first)


def test_a_frame_that_is_too_long_is_not_waited_for():
    client, server = pair(longest=100)
    [(sealed, _)] = client.seal(frame(bytes(1000)))
    with pytest.raises(MessageTooBig):
        server.open(sealed[:9])


def test_how_much_of_a_run_the_kernel_took_is_known_by_messages():
    client, _ = pair()
    [(sealed, _)] = client.seal(RUN)
    ends = [0, len(pack([b"", b"type", b"x" * 300]))]
    ends += [ends[-1] + len(pack([b"one"])), len(RUN)]
    found = [client.taken(RUN, count) for count in range(len(sealed) + 1)]
    assert sorted(set(found)) == ends and found == sorted(found)
    assert found[-2:] == [ends[2], len(RUN)]


def test_a_public_key_of_small_order_is_none():
    with pytest.raises(ZmtpError, match="HELLO has a public key that is none"):
        shared_key(bytes(32), SERVER.secret, "HELLO")
