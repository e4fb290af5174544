"""Publishes until it is told to stop, and prints the sizes of the frames that told it so.

Runs in any Python since 2.7, with any pyzmq: peer.py ADDRESS-OF-XSUB ADDRESS-OF-XPUB.
"""

import sys

import zmq

context = zmq.Context()
sub, pub = context.socket(zmq.SUB), context.socket(zmq.PUB)
sub.setsockopt(zmq.SUBSCRIBE, b"to-peer")
pub.connect(sys.argv[1])
sub.connect(sys.argv[2])
while not sub.poll(10):
    pub.send_multipart([b"from-peer", b"", b"x" * 300])
print(" ".join(str(len(frame)) for frame in sub.recv_multipart()))
context.destroy(0)
