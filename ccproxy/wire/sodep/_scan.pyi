from ccproxy.wire.sodep.scan import Walk as Walk
from ccproxy.wire.sodep.scan import scan as scan
