"""The handler `zmq`: messages leave by a ZeroMQ socket of any sending type."""
