"""A WireOwner that keeps what it is told, for the tests of what dials."""


class ToldOwner:
    """Keeps what it is told, in order."""

    def __init__(self):
        self.told = []

    def opened(self, wire):
        self.told.append("opened")

    def received(self, wire, data):
        self.told.append(data)

    def closed(self, wire, reason):
        self.told.append(reason)
