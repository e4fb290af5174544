from ccproxy.core.addresses import by_address as by_address
