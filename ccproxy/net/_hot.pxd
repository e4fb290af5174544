# The types of hot.py when Cython compiles it as _hot; hot.py itself stays plain Python.
cimport cython


cdef class FlushQueue:
    cdef public object latencies
    cdef public double busy_poll
    cdef object _loop, _context
    cdef list _due
    cdef public bint _polling
    cdef double _until

    cpdef flush_later(self, one)

    @cython.locals(due=list, number=Py_ssize_t, end=double)
    cpdef _end(self)


cdef class HotFlush:
    cdef FlushQueue _queue
    cdef object _one, _failed

    cpdef wake(self)

    cpdef flush(self)


cdef class HotWriter:
    cdef public object _sealed, _sock, box
    cdef public bint _waiting, closed
    cdef public int write_error

    @cython.locals(size=Py_ssize_t, sent=Py_ssize_t, free=bint, most=Py_ssize_t)
    cpdef send(self, pieces, Py_ssize_t messages=*)


cdef class HotReader:
    cdef public object _input, _latencies, _memory, _opening, _owner, _reading, _seal, _sender
    cdef public object pass_on, remains, sock
    cdef public bint closed
    cdef public object received

    @cython.locals(size=Py_ssize_t, most=Py_ssize_t, begun=double, sealed=bint)
    cpdef _readable(self)
