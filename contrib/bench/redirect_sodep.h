/* Where sodep messages end, for the programs of the benchmark: the value tree is walked, for a message
 * does not say its length. */
#ifndef REDIRECT_SODEP_H
#define REDIRECT_SODEP_H

#define BUFFER_SIZE (1 << 20)

static long number(const unsigned char *at)
{
    return (long)(int)((unsigned)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3]);
}

/* The end of the value at `at`; 0 if it is not complete, -1 if it is invalid. */
static long value(const unsigned char *data, long at, long size, int depth)
{
    static const int widths[] = {0, 0, 4, 8, 0, 1, 8};
    if (depth > 64)
        return -1;
    if (at + 5 > size)
        return 0;
    int tag = data[at++];
    if (tag > 6)
        return -1;
    if (tag == 1 || tag == 4) {
        if (at + 4 > size)
            return 0;
        long length = number(data + at);
        if (length < 0 || length > BUFFER_SIZE)
            return -1;
        at += 4 + length;
    } else {
        at += widths[tag];
    }
    if (at + 4 > size)
        return 0;
    long names = number(data + at);
    at += 4;
    while (names-- > 0) {
        if (at + 4 > size)
            return 0;
        long length = number(data + at);
        if (length < 0 || length > BUFFER_SIZE)
            return -1;
        at += 4 + length;
        if (at + 4 > size)
            return 0;
        long elements = number(data + at);
        at += 4;
        while (elements-- > 0)
            if ((at = value(data, at, size, depth + 1)) <= 0)
                return at;
    }
    return at;
}

/* Where the message at `at` ends, 0 if it is not complete, -1 if it is invalid; `rest` becomes the place
 * behind its path. */
static long message(const unsigned char *data, long at, long size, long *rest)
{
    if (at + 16 > size)
        return 0;
    long path = number(data + at + 8);
    if (path < 0 || path > 4096)
        return -1;
    *rest = at + 12 + path;
    if (*rest + 4 > size)
        return 0;
    long name = number(data + *rest);
    if (name < 0 || name > 4096)
        return -1;
    return value(data, *rest + 4 + name + 1, size, 0);
}

#endif
