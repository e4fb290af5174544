# The types of hot.py when Cython compiles it as _hot; hot.py itself stays plain Python.
cimport cython


@cython.locals(
    size=Py_ssize_t, text=cython.p_uchar, last=Py_ssize_t, start=Py_ssize_t, run=Py_ssize_t,
    begun=Py_ssize_t, stop=int, head_size=Py_ssize_t, head_more=int, head=bytes, name=bytes, at=Py_ssize_t,
    body=Py_ssize_t, flags=int, named=bint, seen=bint, counted=Py_ssize_t, length=cython.ulonglong, parts=list,
    limit=cython.ulonglong, most=Py_ssize_t, small=Py_ssize_t,
)
cpdef tuple scan(bytes data, dict flows, object miss, object emit, tuple limits)


@cython.locals(
    size=Py_ssize_t, text=cython.p_uchar, last=Py_ssize_t, start=Py_ssize_t, run=Py_ssize_t,
    stop=int, head_size=Py_ssize_t, head=bytes, identity=bytes, at=Py_ssize_t, body=Py_ssize_t,
    behind=Py_ssize_t, flags=int, length=cython.ulonglong, parts=list,
    limit=cython.ulonglong, most=Py_ssize_t, small=Py_ssize_t,
)
cpdef tuple scan_replies(bytes data, dict peers, object emit, tuple limits)


@cython.locals(count=Py_ssize_t)
cpdef Py_ssize_t frames_in(bytes data, Py_ssize_t at, Py_ssize_t end)
