"""What a Manager decides: events and time in, actions out; no sockets, no clock, no files."""
