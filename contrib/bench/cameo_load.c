/* Clients and a responder for the benchmark of the responder proxy, in one process that costs next to
 * nothing: it speaks ZMTP 3.0 on raw sockets. CLIENTS clients keep WINDOW requests of BYTES each under
 * way. One more client, the probe, asks every PAUSE microseconds and measures the time of each round
 * trip. A request and its answer are the same bytes, as they are in this protocol if the responder sends
 * back what it gets; a number in the payload shows that none was lost, doubled or overtaken.
 *
 * Prints round trips a second, the median round trip of the probe in microseconds, its 99th percentile,
 * and the share of its round trips below 5 ms. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define RESPONDER "responder-676e576d-6102-42d8-ae24-222a7000dfa0-echo:1"
#define LIMIT 0.005
#define MOST_PROBES 1000000

struct peer {
    int fd;
    size_t have, start, size;
    unsigned char *input;
    long asked, answered;
};

static unsigned char *request;
static size_t request_size, number_at;
static double *probes;
static long probed;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(1);
}

/* All of it, waiting for the peer if it has to: the answers of a window fit into the buffers. */
static void put(int fd, const unsigned char *data, size_t size)
{
    while (size) {
        ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
        if (sent <= 0)
            fail("the connection was closed");
        data += sent;
        size -= sent;
    }
}

static void get(int fd, unsigned char *data, size_t size)
{
    if (recv(fd, data, size, MSG_WAITALL) != (ssize_t)size)
        fail("the connection was closed in the handshake");
}

static int opened(int port, const char *type, const char *identity)
{
    struct sockaddr_in to = {AF_INET, htons(port), {htonl(INADDR_LOOPBACK)}, {0}};
    unsigned char greeting[64] = {0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0, 'N', 'U', 'L', 'L'};
    unsigned char ready[256] = {4, 0, 5, 'R', 'E', 'A', 'D', 'Y'}, *at = ready + 8, head[2];
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1, room = 8 << 20;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    if (connect(fd, (struct sockaddr *)&to, sizeof to))
        fail("cannot connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    at += sprintf((char *)at, "\x0bSocket-Type%c%c%c%c%s", 0, 0, 0, (int)strlen(type), type);
    at += sprintf((char *)at, "\x08Identity%c%c%c%c%s", 0, 0, 0, (int)strlen(identity), identity);
    ready[1] = at - ready - 2;
    put(fd, greeting, sizeof greeting);
    get(fd, greeting, sizeof greeting);
    put(fd, ready, at - ready);
    get(fd, head, 2);
    get(fd, ready, head[1]);
    return fd;
}

static void make_request(size_t bytes)
{
    unsigned char *at = request = malloc(bytes + 256);
    at += sprintf((char *)at, "%c%c%c%c%s%c%c", 1, 0, 1, (int)strlen(RESPONDER), RESPONDER, 1, 0);
    if (bytes < 256) {
        *at++ = 0;
        *at++ = bytes;
    } else {
        *at++ = 2;
        for (int shift = 56; shift >= 0; shift -= 8)
            *at++ = bytes >> shift;
    }
    memset(at, 'x', bytes);
    number_at = at - request;
    request_size = number_at + bytes;
}

/* Some requests in one write, as the queue of a ZeroMQ socket makes of them. */
static void ask(struct peer *client, int count)
{
    static unsigned char output[1 << 22];
    for (unsigned char *at = output; count; at = output) {
        for (; count && at + request_size <= output + sizeof output; count--, at += request_size) {
            memcpy(request + number_at, &client->asked, sizeof client->asked);
            memcpy(at, request, request_size);
            client->asked++;
        }
        put(client->fd, output, at - output);
    }
}

/* Take the answers of a read; how many there are. */
static int answers(struct peer *client)
{
    int found = 0;
    size_t at = 0;
    for (; client->have - at >= request_size; at += request_size, found++) {
        memcpy(request + number_at, &client->answered, sizeof client->answered);
        if (memcmp(client->input + at, request, request_size))
            fail("an answer is wrong, lost or doubled");
        client->answered++;
    }
    memmove(client->input, client->input + at, client->have -= at);
    return found;
}

static int compare(const void *one, const void *other)
{
    double difference = *(const double *)one - *(const double *)other;
    return (difference > 0) - (difference < 0);
}

static void report(long done, double seconds)
{
    long fast = 0;
    qsort(probes, probed, sizeof *probes, compare);
    for (long at = 0; at < probed; at++)
        fast += probes[at] < LIMIT;
    double median = probed ? probes[probed / 2] : 0, late = probed ? probes[probed * 99 / 100] : 0;
    printf("%.0f %.1f %.1f %.5f\n", done / seconds, median * 1e6, late * 1e6,
           probed ? (double)fast / probed : 1.0);
}

int main(int argc, char **argv)
{
    if (argc != 7) {
        fprintf(stderr, "usage: cameo_load PORT CLIENTS WINDOW BYTES PAUSE SECONDS\n");
        return 2;
    }
    int port = atoi(argv[1]), clients = atoi(argv[2]), window = atoi(argv[3]);
    size_t bytes = atol(argv[4]);
    double pause = atof(argv[5]) / 1e6, seconds = atof(argv[6]);
    if (bytes < sizeof(long))
        bytes = sizeof(long);
    make_request(bytes);
    probes = malloc(MOST_PROBES * sizeof *probes);
    /* 0 is the responder, 1 the probe. */
    int count = clients + 2, poll = epoll_create1(0);
    size_t room = (window + 2) * request_size * (clients + 2) + (1 << 16);
    struct peer *peers = calloc(count, sizeof *peers);
    for (int at = 0; at < count; at++) {
        peers[at].fd = at ? opened(port, "DEALER", "") : opened(port, "ROUTER", RESPONDER);
        peers[at].input = malloc(room);
        struct epoll_event event = {EPOLLIN, {.u32 = at}};
        epoll_ctl(poll, EPOLL_CTL_ADD, peers[at].fd, &event);
        usleep(at ? 0 : 50000); /* the responder is known before the first request */
    }
    double begun = now(), end = begun + seconds, next = pause > 0 ? begun : end + 1, asked = 0;
    long done = 0, open = 0;
    for (int at = 2; at < count; at++)
        ask(&peers[at], window), open += window;
    for (double time = begun; time < end || open;) {
        struct epoll_event events[64];
        int wait = pause > 0 && !asked ? 1 : 1000;
        int ready = epoll_wait(poll, events, 64, wait);
        if (ready == 0 && wait == 1000)
            fail("no answer within a second");
        for (int number = 0; number < ready; number++) {
            struct peer *peer = &peers[events[number].data.u32];
            ssize_t got = recv(peer->fd, peer->input + peer->have, room - peer->have, MSG_DONTWAIT);
            if (got <= 0)
                fail("the connection was closed");
            peer->have += got;
            if (peer == peers) { /* the responder sends back whole messages and parts alike */
                put(peer->fd, peer->input, peer->have);
                peer->have = 0;
                continue;
            }
            int found = answers(peer);
            open -= found;
            if (peer == peers + 1) {
                if (found && probed < MOST_PROBES)
                    probes[probed++] = now() - asked;
                asked = found ? 0 : asked;
                continue;
            }
            done += found;
            if (time < end)
                ask(peer, found), open += found;
        }
        time = now();
        if (time >= next && time < end && !asked) {
            next = time + pause;
            asked = time;
            ask(peers + 1, 1);
            open++;
        }
    }
    report(done, now() - begun);
    return 0;
}
