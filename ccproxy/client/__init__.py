"""A CC client on pyzmq for programs, daemons and tests: publish, request, stream of answers.

    with Client("tcp://127.0.0.1:22632") as client:
        client.publish("log.info", {"log_msg": "hello"})
        receipt = client.publish("order.new", {"id": 17}, confirm=True)
        answer = client.request("echo.request", {"target": "me"})

Any number of threads may call one client. No call waits for ever, with or without a server.
"""

from ccproxy.client.client import Answer, Client, Fields
from ccproxy.client.limits import MAX_ANSWERS, ClientLimits
from ccproxy.client.receipts import CannotConfirm, InDoubt, NotConfirmed, Receipt, Refused
from ccproxy.client.socket_thread import HIGH_WATER_MARK

__all__ = [
    "HIGH_WATER_MARK", "MAX_ANSWERS", "Answer", "CannotConfirm", "Client", "ClientLimits",
    "Fields", "InDoubt", "NotConfirmed", "Receipt", "Refused",
]  # fmt: skip
