"""What sections ask for, as one value."""

from ccproxy.protocols.jolie.http.access import StyledListenerOptions, WebListenerOptions
from ccproxy.protocols.jolie.style import CallStyle
from ccproxy.protocols.jolie.xml.types import Types, parsed


def test_styles_are_equal_if_they_mean_the_same():
    file = parsed("t.ini", "[sum]\nx = int\n")
    assert CallStyle() == CallStyle() == WebListenerOptions(type="t").style()
    assert CallStyle(types=Types(file)) == CallStyle(types=Types(parsed("t.ini", "[sum]\nx = int")))
    assert CallStyle(types=Types(file)) != CallStyle(types=Types(parsed("t.ini", "[sum]\nx=long")))
    options = StyledListenerOptions(type="t", types=file, numbers="infer", raw="base64")
    assert options.style() == CallStyle(types=Types(file, True, True))
    assert options.style().base64
    assert options.style().xml(typed=True) == (True, True)
