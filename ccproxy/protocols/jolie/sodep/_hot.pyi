from ccproxy.protocols.jolie.sodep.hot import HotCaller as HotCaller
from ccproxy.protocols.jolie.sodep.hot import HotService as HotService
