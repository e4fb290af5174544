from ccproxy.core.walk import by_topic as by_topic
from ccproxy.core.walk import cut as cut
from ccproxy.core.walk import deal as deal
from ccproxy.core.walk import payloads as payloads
from ccproxy.core.walk import shares as shares
from ccproxy.core.walk import skip as skip
from ccproxy.core.walk import whole as whole
