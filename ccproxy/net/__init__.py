"""Sockets and buffers for any protocol: accept, dial, read, write, flush."""
