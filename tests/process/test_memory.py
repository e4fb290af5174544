import platform

import pytest

from ccproxy.process.memory import keep_some


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt of the GNU C library")
def test_the_c_library_takes_both_settings():
    assert keep_some()
