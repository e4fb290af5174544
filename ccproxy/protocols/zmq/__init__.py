"""`protocol = zmq`: listeners that are ZeroMQ sockets of any receiving type."""
