# The types of fastpath.py when Cython compiles it as _fastpath; fastpath.py itself stays plain Python.
cimport cython


cdef class FastPathStats:
    cdef readonly object flow, _ledger


cdef class UpstreamLoad:
    cdef public Py_ssize_t calls, bytes, most_calls, most_bytes, timed
    cdef public double took

    cpdef time(self, double seconds)

    cpdef bint full(self, Py_ssize_t size)


cdef class AnswerBuffer:
    cdef public list parts
    cdef public Py_ssize_t open
    cdef public bint due
    cdef public object wake


cdef class Upstream:
    cdef public object ids, wake, send, unsent, watch
    cdef public UpstreamLoad load
    cdef public dict open
    cdef public list parts, written
    cdef public bint due, last
    cdef public double heard, deadline, watched

    @cython.locals(ids=list)
    cpdef flush(self)


cdef class UpstreamPool:
    cdef public str charset
    cdef public double timeout
    cdef public object clock
    cdef public list usable


cdef class FastRoute:
    cdef readonly UpstreamPool upstreams
    cdef readonly bytes head
    cdef readonly str operation
    cdef readonly object stats


cdef class InFlight:
    cdef public AnswerBuffer answers
    cdef public bytes id
    cdef public FastRoute route
    cdef public Py_ssize_t size
    cdef public double sent


@cython.locals(
    start=Py_ssize_t, path=Py_ssize_t, operation=Py_ssize_t, end=Py_ssize_t, size=Py_ssize_t,
    done=Py_ssize_t, calls=Py_ssize_t, total=Py_ssize_t, now=double,
    last=FastRoute, route=FastRoute, upstream=Upstream, load=UpstreamLoad, usable=list,
    text=cython.p_uchar, call=InFlight,
)
cpdef Py_ssize_t forward(bytes data, list ends, dict routes, AnswerBuffer answers)


cdef _settle(FastRoute route, Upstream upstream, Py_ssize_t calls, Py_ssize_t size)


@cython.locals(
    start=Py_ssize_t, end=Py_ssize_t, load=UpstreamLoad, waiting=dict, call=InFlight, answers=AnswerBuffer,
    others=list, timed=bint, text=cython.p_uchar, id=cython.ulonglong,
)
cpdef tuple deliver(bytes data, list ends, Upstream upstream)
