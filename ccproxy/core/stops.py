"""Why a search for whole messages in a read stopped, as the hot functions and the inputs of peers
say it. Values only."""

MORE = 0
"""The rest is not a whole message yet."""
COMMAND = 1
"""In front of a ZMTP command."""
BROKEN = 2
"""In front of what is not ZMTP, a command inside a message, or too many frames."""
BLOCKED = 3
"""In front of a message whose outbox is full and makes its senders wait."""
TOO_BIG = 4
"""In front of a message that is, or announces to be, larger than allowed."""
TIRED = 5
"""Handlers have used their time, and other peers wait."""
