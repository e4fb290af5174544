"""ZMTP on sockets: connections, listeners and links that reconnect."""
