# The types of heads.py when Cython compiles it as _heads.
cimport cython


@cython.locals(first=bytes, second=bytes, at=Py_ssize_t, flags=int)
cpdef Py_ssize_t unmarked(bytes data, Py_ssize_t start, Py_ssize_t end, tuple marks)


@cython.locals(
    size=Py_ssize_t, at=Py_ssize_t, place=Py_ssize_t, found=cython.ulonglong, flags=int,
)
cpdef Py_ssize_t counted(
    bytes data, Py_ssize_t start, Py_ssize_t end, bytes mark, cython.ulonglong number
)
