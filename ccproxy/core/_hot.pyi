from ccproxy.core.hot import frames_in as frames_in
from ccproxy.core.hot import scan as scan
from ccproxy.core.hot import scan_replies as scan_replies
