"""Groups: handlers that give each message to one of several other handlers."""
