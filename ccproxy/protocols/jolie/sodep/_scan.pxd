# The types of scan.py when Cython compiles it as _scan; scan.py itself stays plain Python.
cimport cython


@cython.locals(
    size=Py_ssize_t, most=Py_ssize_t, name_most=Py_ssize_t, stack_most=Py_ssize_t,
    nodes_most=Py_ssize_t, top=Py_ssize_t, stack=list, at=Py_ssize_t, stage=int, names=Py_ssize_t, elements=Py_ssize_t,
    nodes=Py_ssize_t, tag=int, body=Py_ssize_t, length=cython.uint, count=cython.uint,
)
cpdef Py_ssize_t scan(const unsigned char[::1] data, Py_ssize_t start, object walk, object limits, list ends)


cdef class MessageCutter:
    cdef public str broken
    cdef public bint too_big
    cdef public Py_ssize_t held, whole
    cdef public object _limits, _walk, large
    cdef public list _parts

    @cython.locals(ends=list, start=Py_ssize_t)
    cpdef tuple cut(self, bytes data)
