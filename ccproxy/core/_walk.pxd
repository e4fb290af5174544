# The types of walk.py when Cython compiles it as _walk; walk.py itself stays plain Python.
cimport cython


@cython.locals(
    size=Py_ssize_t, last=Py_ssize_t, limit=cython.ulonglong, most=Py_ssize_t, start=Py_ssize_t,
    messages=Py_ssize_t, at=Py_ssize_t, flags=int, frames=Py_ssize_t, length=cython.ulonglong,
)
cpdef tuple whole(bytes data, tuple limits)


@cython.locals(size=Py_ssize_t, at=Py_ssize_t, start=Py_ssize_t, flags=int, found=list)
cpdef list cut(bytes data)


@cython.locals(size=Py_ssize_t, at=Py_ssize_t, messages=Py_ssize_t, flags=int)
cpdef tuple skip(bytes data, Py_ssize_t start, Py_ssize_t most)


@cython.locals(
    size=Py_ssize_t, at=Py_ssize_t, body=Py_ssize_t, flags=int, behind=int, empty=bint, parts=list,
)
cpdef bytes payloads(bytes data)


@cython.locals(
    text=cython.p_uchar, size=Py_ssize_t, places=Py_ssize_t, shares=list, turn=Py_ssize_t,
    skipped=Py_ssize_t, slot=Py_ssize_t, room=Py_ssize_t, start=Py_ssize_t, flags=int,
)
cpdef tuple deal(bytes data, Py_ssize_t at, list slots, list rooms)


@cython.locals(
    size=Py_ssize_t, parts=list, at=Py_ssize_t, begun=Py_ssize_t, middle=Py_ssize_t,
    body=Py_ssize_t, flags=int, behind=int, empty=bint,
)
cpdef list parted(bytes data)


@cython.locals(
    size=Py_ssize_t, found=list, rests=list, known=bytes, at=Py_ssize_t, since=Py_ssize_t,
    begun=Py_ssize_t, end=Py_ssize_t, flags=int, name=bytes,
)
cpdef list by_name(bytes data)


@cython.locals(
    size=Py_ssize_t, text=cython.p_uchar, longest=Py_ssize_t, version=Py_ssize_t, entries=dict,
    spans=list, at=Py_ssize_t, messages=Py_ssize_t, head_size=Py_ssize_t, head_more=int, head=bytes,
    begun=Py_ssize_t, body=Py_ssize_t, end=Py_ssize_t, flags=int, key=bytes,
)
cpdef list by_topic(bytes data, Py_ssize_t start, object table, Py_ssize_t budget)


@cython.locals(
    text=cython.p_uchar, joined=dict, boxes=dict, lists=dict, number=Py_ssize_t,
    messages=Py_ssize_t, start=Py_ssize_t, end=Py_ssize_t, found=list, share=tuple, part=bytes,
    pieces=list, numbers=list, wanted=list, is_wanted=bint, count=Py_ssize_t, size=Py_ssize_t,
)
cpdef tuple shares(bytes data, list spans)
