from ccproxy.net.hot import FlushQueue as FlushQueue
from ccproxy.net.hot import HotFlush as HotFlush
from ccproxy.net.hot import HotReader as HotReader
from ccproxy.net.hot import HotWriter as HotWriter
