#!/usr/bin/env python3
"""The orders of the shop, with threads.

    {"op": "place", "id": ID, "item": NAME, "count": N}   -> the order as it is stored
    {"op": "show", "id": ID}                              -> the order, or null

An order is placed once, however often a client repeats it: the client chooses its id.
"""

from __future__ import annotations

from functools import partial

import lines

from ccproxy.service import Plug, Service, Session


def serve(store: Plug, session: Session) -> None:
    """Answer one client until it leaves, or the session has to be closed."""
    while session.wait_readable() and (request := lines.read_line(session.sock)):
        session.sock.sendall(lines.write(answer(store, lines.read(request))))


def answer(store: Plug, request: lines.Line) -> lines.Line:
    """The answer to one request."""
    asked: lines.Line = {"op": "get", "table": "orders", "key": request["id"]}
    if request["op"] == "place":
        row = {"id": request["id"], "item": request["item"], "count": request["count"]}
        asked |= {"op": "put", "row": row}
    return {"order": lines.ask_blocking(store, asked)["row"]}


def main() -> None:
    """Serve until the agent says that it is over."""
    with Service() as service:
        store = service.plug("store_client", "sql")
        service.serve("orders_api", partial(serve, store))
        service.wait()


if __name__ == "__main__":
    main()
