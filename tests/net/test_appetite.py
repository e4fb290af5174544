from ccproxy.net.appetite import LEAST, LONG, MOST, Appetite


def test_who_is_quick_gets_whole_reads():
    appetite = Appetite()
    for _ in range(5):
        appetite.took(LONG / 10)
    assert appetite.bytes == MOST


def test_who_keeps_the_loop_busy_is_read_less_down_to_a_limit():
    appetite = Appetite()
    sizes = []
    for _ in range(5):
        appetite.took(2 * LONG)
        sizes.append(appetite.bytes)
    assert sizes == [MOST // 4, MOST // 16, LEAST, LEAST, LEAST]


def test_it_comes_back_step_by_step_and_stays_where_it_is_just_quick_enough():
    appetite = Appetite()
    appetite.took(2 * LONG)
    appetite.took(LONG / 2)
    assert appetite.bytes == MOST // 4
    appetite.took(LONG / 10)
    assert appetite.bytes == MOST // 2
    for _ in range(5):
        appetite.took(0.0)
    assert appetite.bytes == MOST
