"""What an agent decides: events and time in, actions out; no sockets, no clock, no processes."""
