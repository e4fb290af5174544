from ccproxy.net.zmtp.identities import Identities


def test_five_bytes_the_first_one_zero_and_none_twice():
    identities = Identities(0xFFFFFFF0)
    made = [identities.next() for _ in range(100)]
    assert {(len(one), one[0]) for one in made} == {(5, 0)}
    assert len(set(made)) == 100
