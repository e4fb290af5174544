"""The only place with asyncio and sockets: connections, listeners, links, the running server."""
