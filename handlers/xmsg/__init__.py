"""xMsg and CLARA: the proxy, the registrar and what belongs to them."""
