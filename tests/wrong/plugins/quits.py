"""A plugin that wants to end the program."""

raise SystemExit("not on this machine")
