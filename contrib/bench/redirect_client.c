/* Clients for the benchmark: CONNECTIONS connections with WINDOW unanswered requests on each. If BYTES
 * is positive, they call the operation echo with a string of this size; if it is 0, the operation sum
 * with two numbers; if it is negative, sum with two numbers and a string. The program prints requests a
 * second and the median round trip in microseconds. It fails if an answer is lost, doubled or wrong. */
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

#define MAX_WINDOW 256

struct loop {
    int fd;
    long asked, answered;
    size_t have, unsent;
    unsigned char *input;
    double sent[MAX_WINDOW];
    char open[MAX_WINDOW];
};

static int window, size, sum;
static unsigned char *request, *answer;
static size_t request_size, answer_size;
static float *times;
static long done, limit;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static unsigned char *put(unsigned char *at, const char *text, long length)
{
    unsigned char head[] = {length >> 24, length >> 16, length >> 8, length};
    memcpy(at, head, 4);
    if (text)
        memcpy(at + 4, text, length);
    else
        memset(at + 4, 'x', length);
    return at + 4 + length;
}

static unsigned char *child(unsigned char *at, const char *name, const char *value)
{
    at = put(at, name, 1);
    memcpy(at, "\0\0\0\1", 4);
    memcpy(at + 4, value, 5);
    return at + 13;
}

static void make(const char *path)
{
    unsigned char *at = request = calloc(1, size + 200);
    at = put(at + 8, path, strlen(path));
    unsigned char *rest = at;
    at = put(at, sum ? "sum" : "echo", sum ? 3 : 4);
    *at++ = 0;
    if (sum) {
        memcpy(at, "\0\0\0\0", 4), at += 4;
        *at++ = size ? 3 : 2;
        at = child(at, "x", "\2\0\0\0\5");
        at = child(at, "y", "\2\0\0\0\3");
        if (size) {
            at = put(at, "s", 1);
            memcpy(at, "\0\0\0\1\1", 5);
            at = put(at + 5, NULL, size) + 4;
        }
    } else {
        *at++ = 1;
        at = put(at, NULL, size) + 4;
    }
    request_size = at - request;
    answer = calloc(1, size + 200);
    put(answer + 8, "/", 1);
    answer_size = 13 + (sum ? 17 : at - rest);
    memcpy(answer + 13, sum ? (unsigned char *)"\0\0\0\3sum\0\2\0\0\0\10\0\0\0\0" : rest, answer_size - 13);
}

static void fail(const char *why)
{
    fprintf(stderr, "%s\n", why);
    exit(1);
}

static void id(unsigned char *at, long number)
{
    for (int i = 7; i >= 0; i--, number >>= 8)
        at[i] = number;
}

/* Sends requests up to the window in one write, which may block: answers are read between writes. */
static void ask(struct loop *loop)
{
    static unsigned char *batch;
    if (!batch)
        batch = malloc(MAX_WINDOW * (size + 200));
    size_t length = 0;
    while (loop->asked - loop->answered < window) {
        id(request, ++loop->asked);
        memcpy(batch + length, request, request_size);
        length += request_size;
        loop->sent[loop->asked % MAX_WINDOW] = now();
        loop->open[loop->asked % MAX_WINDOW] = 1;
    }
    for (size_t at = 0; at < length;) {
        ssize_t n = write(loop->fd, batch + at, length - at);
        if (n <= 0)
            fail("the connection ended while writing");
        at += n;
    }
}

static void take(struct loop *loop)
{
    ssize_t n = read(loop->fd, loop->input + loop->have, 2 * MAX_WINDOW * 1024 + 2 * answer_size - loop->have);
    if (n <= 0)
        fail("the connection ended");
    loop->have += n;
    size_t at = 0;
    double t = now();
    for (; loop->have - at >= answer_size; at += answer_size) {
        long number = 0;
        for (int i = 0; i < 8; i++)
            number = number << 8 | loop->input[at + i];
        if (number < 1 || number > loop->asked || !loop->open[number % MAX_WINDOW])
            fail("an answer to nothing");
        if (memcmp(loop->input + at + 8, answer + 8, answer_size - 8))
            fail("not the answer that was expected");
        loop->open[number % MAX_WINDOW] = 0;
        if (done < limit)
            times[done++] = t - loop->sent[number % MAX_WINDOW];
        loop->answered++;
    }
    memmove(loop->input, loop->input + at, loop->have - at);
    loop->have -= at;
}

static int order(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
    if (argc != 7)
        fail("usage: redirect_client PORT PATH CONNECTIONS WINDOW BYTES SECONDS");
    int connections = atoi(argv[3]), poll = epoll_create1(0), one = 1;
    double seconds = atof(argv[6]);
    window = atoi(argv[4]);
    size = abs(atoi(argv[5]));
    sum = atoi(argv[5]) <= 0;
    limit = 4000000;
    times = malloc(limit * sizeof *times);
    make(argv[2]);
    struct loop *loops = calloc(connections, sizeof *loops);
    for (int i = 0; i < connections; i++) {
        struct sockaddr_in to = {AF_INET, htons(atoi(argv[1])), {htonl(INADDR_LOOPBACK)}, {0}};
        struct epoll_event event = {EPOLLIN, {.ptr = loops + i}};
        loops[i].fd = socket(AF_INET, SOCK_STREAM, 0);
        loops[i].input = malloc(2 * MAX_WINDOW * 1024 + 2 * answer_size);
        if (connect(loops[i].fd, (void *)&to, sizeof to))
            fail("cannot connect");
        setsockopt(loops[i].fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        epoll_ctl(poll, EPOLL_CTL_ADD, loops[i].fd, &event);
    }
    double begin = now(), end = begin + seconds;
    for (int i = 0; i < connections; i++)
        ask(loops + i);
    while (now() < end) {
        if (connections == 1) {
            take(loops);
            ask(loops);
            continue;
        }
        struct epoll_event events[64];
        int count = epoll_wait(poll, events, 64, 10000);
        if (count <= 0)
            fail("no answer for 10 s");
        for (int i = 0; i < count; i++) {
            take(events[i].data.ptr);
            ask(events[i].data.ptr);
        }
    }
    seconds = now() - begin;
    qsort(times, done, sizeof *times, order);
    printf("%.0f %.1f\n", done / seconds, done ? times[done / 2] * 1e6 : 0.0);
    return 0;
}
