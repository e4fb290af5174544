# The types of fastpath.py when Cython compiles it as _fastpath; fastpath.py itself stays plain Python.
cimport cython


cdef class Load:
    cdef public Py_ssize_t calls, bytes, most_calls, most_bytes, timed
    cdef public double took

    cpdef time(self, double seconds)

    cpdef bint full(self, Py_ssize_t size)


cdef class Returns:
    cdef public list parts
    cdef public Py_ssize_t open
    cdef public bint due
    cdef public object wake


cdef class Trunk:
    cdef public object ids, wake
    cdef public Load load
    cdef public dict open
    cdef public list parts, written
    cdef public bint due, last
    cdef public double heard


cdef class Trunks:
    cdef public str charset
    cdef public double timeout
    cdef public object clock
    cdef public list usable


cdef class Lane:
    cdef readonly Trunks trunks
    cdef readonly bytes head
    cdef readonly str operation
    cdef readonly object account


cdef class Passed:
    cdef readonly Returns returns
    cdef readonly bytes id
    cdef readonly Lane lane
    cdef readonly Py_ssize_t size
    cdef readonly double sent


@cython.locals(
    start=Py_ssize_t, path=Py_ssize_t, operation=Py_ssize_t, end=Py_ssize_t, size=Py_ssize_t,
    done=Py_ssize_t, calls=Py_ssize_t, total=Py_ssize_t, now=double,
    last=Lane, lane=Lane, trunk=Trunk, load=Load, usable=list,
)
cpdef Py_ssize_t forward(bytes data, list ends, dict lanes, Returns returns)


cdef _settle(Lane lane, Trunk trunk, Py_ssize_t calls, Py_ssize_t size)


@cython.locals(
    start=Py_ssize_t, end=Py_ssize_t, load=Load, waiting=dict, passed=Passed, returns=Returns,
    others=list, timed=bint,
)
cpdef tuple deliver(bytes data, list ends, Trunk trunk)
