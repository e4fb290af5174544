# The types of hot.py when Cython compiles it as _hot; hot.py itself stays plain Python.
cimport cython
from ccproxy.protocols.jolie.sodep._fastpath cimport AnswerBuffer as Answers, Upstream as Service
from ccproxy.protocols.jolie.sodep._scan cimport MessageCutter as Cutter


cdef class HotCaller:
    cdef public object _charset, _pacing, _stream, _written, queue
    cdef public Cutter _reader
    cdef public dict _routes
    cdef public Answers answers
    cdef public str broken
    cdef public bint direct, _ended, _due

    @cython.locals(reader=Cutter, ends=list, start=Py_ssize_t, last=Py_ssize_t, answers=Answers)
    cpdef pass_on(self, data)

    @cython.locals(answers=Answers, taken=bint)
    cpdef flush(self)

    cpdef wake_later(self)


cdef class HotService:
    cdef public object _charset
    cdef public Cutter _reader
    cdef public Service _upstream

    @cython.locals(reader=Cutter, upstream=Service, ends=list, quick=bint)
    cpdef pass_on(self, data)
