"""Pure codecs, one package or module a protocol: bytes in, values out, bytes out.

Nothing here opens a socket, reads a clock, logs, or imports anything of ccproxy outside `wire`.
"""
