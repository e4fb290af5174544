from ccproxy.protocols.jolie.sodep.scan import MessageCutter as MessageCutter
from ccproxy.protocols.jolie.sodep.scan import Walk as Walk
from ccproxy.protocols.jolie.sodep.scan import scan as scan
