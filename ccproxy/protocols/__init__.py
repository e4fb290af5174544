"""What is spoken on a listener: one folder a protocol, each found as a plugin."""
