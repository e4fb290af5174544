"""What test_programs.py asks of zerorpc: a service, and a client that uses all kinds of calls.

zerorpc_calls.py serve|call ADDRESS; the client prints what it got as one line of JSON.
"""

import json
import sys

import zerorpc

SECONDS = 60


class Service:
    def add(self, one, two):
        return one + two

    def echo(self, data):
        return data

    @zerorpc.stream
    def count(self, end):
        yield from range(end)

    def fail(self):
        raise ValueError("as asked")


def serve(address):
    server = zerorpc.Server(Service())
    server.connect(address)
    server.run()


def call(address):
    client = zerorpc.Client(timeout=SECONDS)
    client.connect(address)
    found = {
        "add": client.add(40, 2),
        "echo": len(client.echo(b"x" * 1_000_000)),
        "count": list(client.count(500)) == list(range(500)),
    }
    try:
        client.fail()
    except zerorpc.RemoteError as error:
        found["fail"] = [error.name, error.msg]
    client.close()
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    {"serve": serve, "call": call}[sys.argv[1]](sys.argv[2])
