"""Acknowledged delivery between two servers: pure, without sockets and clocks."""
