/* The yardstick of the benchmark: a relay in C on epoll in front of the service at PORT.
 *
 *     redirect_relay PORT copy     each client has a connection of its own to the service; bytes are
 *                                  copied and not looked at
 *     redirect_relay PORT frame    what a redirect does: the calls of all clients go over one connection,
 *                                  each message is found, gets a new id and the path "/", and its answer
 *                                  goes to the client it belongs to
 *
 * It prints the port that it listens on. It knows no limits, times, faults or second service. */
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

#define MAX_CALLS 65536

struct peer {
    int fd, due, blocked;
    size_t in, out;
    unsigned char *input, *output;
    struct peer *other; /* with copy: the far end; with frame: the service, NULL for itself */
};

struct call {
    struct peer *peer;
    unsigned char id[8];
};

static int loop, port, framed;
static struct call calls[MAX_CALLS];
static unsigned long last;
static struct peer *due[1024];
static int dues;

static struct peer *new_peer(int fd)
{
    int one = 1;
    struct peer *peer = calloc(1, sizeof *peer);
    peer->fd = fd;
    peer->input = malloc(2 * BUFFER_SIZE);
    peer->output = malloc(8 * BUFFER_SIZE);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct epoll_event event = {EPOLLIN, {.ptr = peer}};
    epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event);
    return peer;
}

static struct peer *dial(void)
{
    struct sockaddr_in to = {AF_INET, htons(port), {htonl(INADDR_LOOPBACK)}, {0}};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (void *)&to, sizeof to)) {
        perror("the service");
        exit(1);
    }
    return new_peer(fd);
}

static void append(struct peer *peer, const void *data, size_t size)
{
    if (peer->out + size > 8 * BUFFER_SIZE) {
        fprintf(stderr, "a peer does not read\n");
        exit(1);
    }
    memcpy(peer->output + peer->out, data, size);
    peer->out += size;
    if (!peer->due) {
        peer->due = 1;
        due[dues++] = peer;
    }
}

static void watch(struct peer *peer, int blocked)
{
    if (peer->blocked == blocked)
        return;
    peer->blocked = blocked;
    struct epoll_event event = {EPOLLIN | (blocked ? EPOLLOUT : 0), {.ptr = peer}};
    epoll_ctl(loop, EPOLL_CTL_MOD, peer->fd, &event);
}

static void flush(struct peer *peer)
{
    ssize_t n = send(peer->fd, peer->output, peer->out, MSG_DONTWAIT | MSG_NOSIGNAL);
    peer->due = 0;
    if (n < 0 && errno != EAGAIN)
        n = peer->out; /* it is gone: its next read says so */
    if (n > 0) {
        memmove(peer->output, peer->output + n, peer->out - n);
        peer->out -= n;
    }
    watch(peer, peer->out > 0);
}

/* A call goes to the service with a new id and the path "/". */
static void ask(struct peer *peer, long at, long rest, long end)
{
    unsigned char head[13] = "\0\0\0\0\0\0\0\0\0\0\0\1/";
    unsigned long id = ++last;
    struct call *call = calls + id % MAX_CALLS;
    call->peer = peer;
    memcpy(call->id, peer->input + at, 8);
    for (int i = 7; i >= 0; i--, id >>= 8)
        head[i] = id;
    append(peer->other, head, 13);
    append(peer->other, peer->input + rest, end - rest);
}

/* An answer goes to its client with the id that the client gave. */
static void answer(struct peer *peer, long at, long end)
{
    unsigned long id = 0;
    for (int i = 0; i < 8; i++)
        id = id << 8 | peer->input[at + i];
    struct call *call = calls + id % MAX_CALLS;
    if (!call->peer)
        return;
    append(call->peer, call->id, 8);
    append(call->peer, peer->input + at + 8, end - at - 8);
    call->peer = NULL;
}

static void leave(struct peer *peer)
{
    for (int i = 0; i < MAX_CALLS; i++)
        if (calls[i].peer == peer)
            calls[i].peer = NULL;
    for (int i = 0; i < dues; i++)
        if (due[i] == peer)
            due[i] = due[--dues];
    close(peer->fd);
    free(peer->input);
    free(peer->output);
    free(peer);
}

static void take(struct peer *peer)
{
    ssize_t n = recv(peer->fd, peer->input + peer->in, 2 * BUFFER_SIZE - peer->in, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        if (framed && peer->other)
            leave(peer);
        else if (peer->other)
            shutdown(peer->other->fd, SHUT_WR), epoll_ctl(loop, EPOLL_CTL_DEL, peer->fd, NULL);
        else
            exit(1);
        return;
    }
    peer->in += n;
    if (!framed) {
        append(peer->other, peer->input, peer->in);
        peer->in = 0;
        return;
    }
    long at = 0, rest, end;
    for (; (end = message(peer->input, at, (long)peer->in, &rest)) > 0; at = end)
        peer->other ? ask(peer, at, rest, end) : answer(peer, at, end);
    memmove(peer->input, peer->input + at, peer->in - at);
    peer->in -= at;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    port = atoi(argv[1]);
    framed = !strcmp(argv[2], "frame");
    loop = epoll_create1(0);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in where = {AF_INET, 0, {htonl(INADDR_LOOPBACK)}, {0}};
    socklen_t size = sizeof where;
    struct epoll_event event = {EPOLLIN, {.ptr = NULL}}, events[64];
    if (bind(listener, (void *)&where, size) || listen(listener, 64))
        return 1;
    getsockname(listener, (void *)&where, &size);
    printf("%d\n", ntohs(where.sin_port));
    fflush(stdout);
    epoll_ctl(loop, EPOLL_CTL_ADD, listener, &event);
    struct peer *service = framed ? dial() : NULL;
    for (;;) {
        int count = epoll_wait(loop, events, 64, -1);
        for (int i = 0; i < count; i++) {
            struct peer *peer = events[i].data.ptr;
            if (!peer) {
                peer = new_peer(accept(listener, NULL, NULL));
                peer->other = framed ? service : dial();
                if (!framed)
                    peer->other->other = peer;
                continue;
            }
            if (events[i].events & EPOLLOUT)
                flush(peer);
            if (events[i].events & ~EPOLLOUT)
                take(peer);
        }
        while (dues)
            flush(due[--dues]);
    }
}
