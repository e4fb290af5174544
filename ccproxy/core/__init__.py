"""The switch as pure code: routes, flows, outboxes, the ledger. No sockets, no clock, no log."""
