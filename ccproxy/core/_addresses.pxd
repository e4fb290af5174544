# The types of addresses.py when Cython compiles it as _addresses.
cimport cython


@cython.locals(
    size=Py_ssize_t, raw="const unsigned char *", found=dict, parts=list, key=bytes, at=Py_ssize_t,
    address=bytes, short=Py_ssize_t, lost=Py_ssize_t, plain=bint, begun=Py_ssize_t, rest=Py_ssize_t,
    body=Py_ssize_t, end=Py_ssize_t, start=Py_ssize_t, flags=int, frames=Py_ssize_t,
)
cpdef tuple by_address(bytes data)
