/* A sodep service for the benchmark: answers every request with its own value, as fast as one
 * thread can. It walks the value tree to find the end of a message and knows no operation. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER_SIZE (1 << 20)

struct peer {
    int fd;
    size_t in, out, sent;
    unsigned char *input, *output;
};

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

/* Answers the message at `at` with its id, the path "/", and the rest unchanged; returns its end, 0 if
 * it is not complete, -1 if it is invalid. */
static long answer(struct peer *peer, long at)
{
    long size = (long)peer->in, path, rest, end;
    if (at + 16 > size)
        return 0;
    path = number(peer->input + at + 8);
    if (path < 0 || path > 4096)
        return -1;
    rest = at + 12 + path;
    if (rest + 4 > size)
        return 0;
    long name = number(peer->input + rest);
    if (name < 0 || name > 4096)
        return -1;
    end = value(peer->input, rest + 4 + name + 1, size, 0);
    if (end <= 0)
        return end;
    unsigned char *to = peer->output + peer->out;
    memcpy(to, peer->input + at, 8);
    memcpy(to + 8, "\0\0\0\1/", 5);
    memcpy(to + 13, peer->input + rest, end - rest);
    peer->out += 13 + end - rest;
    return end;
}

static int flush(struct peer *peer)
{
    while (peer->sent < peer->out) {
        ssize_t n = write(peer->fd, peer->output + peer->sent, peer->out - peer->sent);
        if (n < 0)
            return errno == EAGAIN ? 0 : -1;
        peer->sent += n;
    }
    peer->sent = peer->out = 0;
    return 1;
}

/* Reads and answers; returns 0 to go on, -1 to close. */
static int serve(struct peer *peer)
{
    for (;;) {
        if (flush(peer) <= 0)
            return errno == EAGAIN ? 0 : -1;
        long at = 0, end = 0;
        while (peer->out < BUFFER_SIZE && (end = answer(peer, at)) > 0)
            at = end;
        if (end < 0)
            return -1;
        memmove(peer->input, peer->input + at, peer->in - at);
        peer->in -= at;
        if (peer->out)
            continue;
        if (peer->in == 2 * BUFFER_SIZE)
            return -1;
        ssize_t n = read(peer->fd, peer->input + peer->in, 2 * BUFFER_SIZE - peer->in);
        if (n == 0)
            return -1;
        if (n < 0)
            return errno == EAGAIN ? 0 : -1;
        peer->in += n;
    }
}

static void welcome(int listener, int poll)
{
    int one = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    if (fd < 0)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct peer *peer = calloc(1, sizeof *peer);
    peer->fd = fd;
    peer->input = malloc(2 * BUFFER_SIZE);
    peer->output = malloc(4 * BUFFER_SIZE);
    struct epoll_event event = {EPOLLIN | EPOLLOUT | EPOLLET, {.ptr = peer}};
    epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
}

int main(void)
{
    int listener = socket(AF_INET, SOCK_STREAM, 0), poll = epoll_create1(0);
    struct sockaddr_in where = {AF_INET, 0, {htonl(INADDR_LOOPBACK)}, {0}};
    socklen_t size = sizeof where;
    struct epoll_event event = {EPOLLIN, {.ptr = NULL}}, events[64];
    if (bind(listener, (void *)&where, size) || listen(listener, 64))
        return 1;
    getsockname(listener, (void *)&where, &size);
    printf("%d\n", ntohs(where.sin_port));
    fflush(stdout);
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int count = epoll_wait(poll, events, 64, -1);
        for (int i = 0; i < count; i++) {
            struct peer *peer = events[i].data.ptr;
            if (!peer) {
                welcome(listener, poll);
            } else if (serve(peer) < 0) {
                close(peer->fd);
                free(peer->input);
                free(peer->output);
                free(peer);
            }
        }
    }
}
