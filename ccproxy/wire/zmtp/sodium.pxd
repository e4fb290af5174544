# The functions of sodium.py in C, for the compiled _boxes: they are made a part of it, sodium.py
# itself is not compiled. Nothing here checks an offset: the caller has.
from cpython.bytearray cimport PyByteArray_AS_STRING
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memcmp, memcpy, memset

ctypedef int (*Stream)(
    unsigned char* out, const unsigned char* text, unsigned long long size,
    const unsigned char* nonce, unsigned long long block, const unsigned char* key,
) noexcept nogil
ctypedef int (*Authenticate)(
    unsigned char* tag, const unsigned char* text, unsigned long long size,
    const unsigned char* key,
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


cdef inline bytes cut(bytearray buffer, Py_ssize_t start, Py_ssize_t end):
    return PyBytes_FromStringAndSize(PyByteArray_AS_STRING(buffer) + start, end - start)


# A box of libsodium, crypto_box_easy_afternm, without its first step: that derives a key from the
# shared one and from the part of the nonce that is the same for all messages of a connection.
# The stream begins with 32 bytes for the key of the authenticator. So 32 bytes in front of the text
# are put aside, and both are made by one call.

cdef inline void box_in_place(
    size_t stream, size_t authenticate, unsigned char* tag, unsigned long long size,
    const unsigned char* secrets,
) noexcept nogil:
    cdef unsigned char[16] before
    cdef unsigned char[32] key
    memcpy(before, tag - 16, 16)
    memset(tag - 16, 0, 32)
    (<Stream> stream)(tag - 16, tag - 16, size + 32, secrets + 48, 0, secrets)
    memcpy(key, tag - 16, 32)
    (<Authenticate> authenticate)(tag, tag + 16, size, key)
    memcpy(tag - 16, before, 16)


cdef inline int unbox_into(
    size_t stream, size_t authenticate, unsigned char* out, const unsigned char* tag,
    unsigned long long size, const unsigned char* secrets,
) noexcept nogil:
    cdef unsigned char[32] before
    cdef unsigned char[32] key
    cdef unsigned char[16] expected
    cdef unsigned char differences = 0
    cdef int one
    memcpy(before, out - 32, 32)
    memset(out - 32, 0, 32)
    memcpy(out, tag + 16, size)
    (<Stream> stream)(out - 32, out - 32, size + 32, secrets + 48, 0, secrets)
    memcpy(key, out - 32, 32)
    memcpy(out - 32, before, 32)
    (<Authenticate> authenticate)(expected, tag + 16, size, key)
    for one in range(16):
        differences |= expected[one] ^ tag[one]
    return differences == 0


cdef inline int box(
    tuple addresses, bytearray buffer, Py_ssize_t at, Py_ssize_t size, bytearray secrets
) except -1:
    cdef size_t stream = addresses[0]
    cdef size_t authenticate = addresses[1]
    cdef unsigned char* tag = <unsigned char*> PyByteArray_AS_STRING(buffer) + at
    cdef const unsigned char* key = <unsigned char*> PyByteArray_AS_STRING(secrets)
    if size < LONG_FRAME:
        box_in_place(stream, authenticate, tag, size, key)
    else:
        with nogil:
            box_in_place(stream, authenticate, tag, size, key)
    return 0


cdef inline bint unbox(
    tuple addresses, bytes data, Py_ssize_t start, Py_ssize_t size, bytearray buffer,
    Py_ssize_t at, bytearray secrets,
) except -1:
    cdef size_t stream = addresses[0]
    cdef size_t authenticate = addresses[1]
    cdef unsigned char* out = <unsigned char*> PyByteArray_AS_STRING(buffer) + at
    cdef const unsigned char* key = <unsigned char*> PyByteArray_AS_STRING(secrets)
    cdef const unsigned char* tag = <const unsigned char*> PyBytes_AS_STRING(data) + start
    if size - 16 < LONG_FRAME:
        return unbox_into(stream, authenticate, out, tag, size - 16, key)
    cdef int right
    with nogil:
        right = unbox_into(stream, authenticate, out, tag, size - 16, key)
    return right
