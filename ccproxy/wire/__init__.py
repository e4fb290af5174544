"""Pure codecs of the kernel, one package or module for each: bytes in, values out, bytes out.

Nothing here may open a socket, read a clock, log, or import any other package of ccproxy.
"""
