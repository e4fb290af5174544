# The functions of sodium.py in C, for the compiled _boxes: they are made a part of it, sodium.py
# itself is not compiled. Nothing here checks an offset: the caller has.
from cpython.bytearray cimport PyByteArray_AS_STRING
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.string cimport memcmp, memcpy

ctypedef int (*Afternm)(
    unsigned char* out, const unsigned char* text, unsigned long long size,
    const unsigned char* nonce, const unsigned char* key,
) noexcept nogil

cdef enum:
    LONG_FRAME = 16384  # from here on another thread can do something meanwhile


cdef inline int number(bytearray buffer, Py_ssize_t at, unsigned long long value) except -1:
    cdef unsigned char* place = <unsigned char*> PyByteArray_AS_STRING(buffer) + at
    cdef int one
    for one in range(7, -1, -1):
        place[one] = <unsigned char> (value & 255)
        value >>= 8
    return 0


cdef inline unsigned long long number_at(bytes data, Py_ssize_t at) except? 0:
    cdef const unsigned char* place = <const unsigned char*> PyBytes_AS_STRING(data) + at
    cdef unsigned long long value = 0
    cdef int one
    for one in range(8):
        value = value << 8 | place[one]
    return value


cdef inline bint differs(bytes data, Py_ssize_t at, bytes expected) except -1:
    return memcmp(
        PyBytes_AS_STRING(data) + at, PyBytes_AS_STRING(expected), PyBytes_GET_SIZE(expected)
    ) != 0


cdef inline int put(
    bytearray buffer, Py_ssize_t at, bytes data, Py_ssize_t start, Py_ssize_t size
) except -1:
    memcpy(PyByteArray_AS_STRING(buffer) + at, PyBytes_AS_STRING(data) + start, size)
    return 0


cdef inline int box(
    size_t address, bytearray buffer, Py_ssize_t at, Py_ssize_t size, bytearray secrets
) except -1:
    cdef Afternm function = <Afternm> address
    cdef unsigned char* out = <unsigned char*> PyByteArray_AS_STRING(buffer) + at
    cdef unsigned char* key = <unsigned char*> PyByteArray_AS_STRING(secrets)
    if size < LONG_FRAME:
        function(out, out + 16, size, key + 32, key)
    else:
        with nogil:
            function(out, out + 16, size, key + 32, key)
    return 0


cdef inline bint unbox(
    size_t address, bytes data, Py_ssize_t start, Py_ssize_t size, bytearray buffer, Py_ssize_t at,
    bytearray secrets,
) except -1:
    cdef Afternm function = <Afternm> address
    cdef unsigned char* out = <unsigned char*> PyByteArray_AS_STRING(buffer) + at
    cdef unsigned char* key = <unsigned char*> PyByteArray_AS_STRING(secrets)
    cdef const unsigned char* text = <const unsigned char*> PyBytes_AS_STRING(data) + start
    cdef int wrong
    if size < LONG_FRAME:
        wrong = function(out, text, size, key + 32, key)
    else:
        with nogil:
            wrong = function(out, text, size, key + 32, key)
    return wrong == 0
