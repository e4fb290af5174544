"""The agent of one node, the handler `ssmmp-agent`; what it decides is in `engine`."""
