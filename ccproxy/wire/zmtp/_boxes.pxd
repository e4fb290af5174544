# The types of boxes.py when Cython compiles it as _boxes; boxes.py itself stays plain Python.
cimport cython

from ccproxy.wire.zmtp cimport sodium


@cython.locals(
    size=Py_ssize_t, at=Py_ssize_t, place=Py_ssize_t, total=Py_ssize_t, frames=Py_ssize_t,
    flags=int, length=cython.ulonglong, sealed=Py_ssize_t, out=bytearray,
)
cpdef tuple seal_frames(bytes data, bytearray secrets, unsigned long long counter, tuple addresses)


@cython.locals(
    size=Py_ssize_t, at=Py_ssize_t, place=Py_ssize_t, needed=Py_ssize_t, start=Py_ssize_t,
    end=Py_ssize_t, body=Py_ssize_t, flags=int, length=cython.ulonglong, number=cython.ulonglong,
    out=bytearray,
)
cpdef tuple open_frames(
    bytes data, bytearray secrets, unsigned long long counter, unsigned long long limit, tuple addresses
)
