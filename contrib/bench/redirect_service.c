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

#include "redirect_sodep.h"

struct peer {
    int fd;
    size_t in, out, sent;
    unsigned char *input, *output;
};

/* Answers the message at `at` with its id, the path "/", and the rest unchanged; returns its end, 0 if
 * it is not complete, -1 if it is invalid. */
static long answer(struct peer *peer, long at)
{
    long rest, end = message(peer->input, at, (long)peer->in, &rest);
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
