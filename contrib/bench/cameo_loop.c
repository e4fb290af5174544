/* The yardstick for the responder proxy: one ROUTER socket of libzmq and the plainest loop around it,
 * which puts the id of the sender in the place of the address. It prints its port and runs until it is
 * killed. LIBRARY is a libzmq, which is loaded at run time, so that no header of it is needed. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#define FRAMES 64
#define ROUTER 6
#define ROUTING_ID 5
#define LAST_ENDPOINT 32
#define SNDMORE 2

typedef struct { long words[8]; } message;

static void *(*context_new)(void);
static void *(*make_socket)(void *, int);
static int (*set_option)(void *, int, const void *, size_t);
static int (*get_option)(void *, int, void *, size_t *);
static int (*bind_socket)(void *, const char *);
static int (*message_init)(message *);
static int (*message_receive)(message *, void *, int);
static int (*message_send)(message *, void *, int);
static int (*message_close)(message *);
static int (*message_more)(const message *);
static int (*send_bytes)(void *, const void *, size_t, int);

static void *found(void *library, const char *name)
{
    void *function = dlsym(library, name);
    if (!function) {
        fprintf(stderr, "no %s in this library\n", name);
        exit(1);
    }
    return function;
}

static void load(const char *path)
{
    void *library = dlopen(path, RTLD_NOW);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    context_new = found(library, "zmq_ctx_new");
    make_socket = found(library, "zmq_socket");
    set_option = found(library, "zmq_setsockopt");
    get_option = found(library, "zmq_getsockopt");
    bind_socket = found(library, "zmq_bind");
    message_init = found(library, "zmq_msg_init");
    message_receive = found(library, "zmq_msg_recv");
    message_send = found(library, "zmq_msg_send");
    message_close = found(library, "zmq_msg_close");
    message_more = found(library, "zmq_msg_more");
    send_bytes = found(library, "zmq_send");
}

static int receive(void *socket, message *frames)
{
    int count = 0;
    do {
        message_init(&frames[count]);
        if (message_receive(&frames[count], socket, 0) < 0)
            exit(1);
        count++;
    } while (message_more(&frames[count - 1]) && count < FRAMES);
    return count;
}

/* Sender, delimiter, address, delimiter, payload becomes address, empty, sender, empty, payload. */
static void forward(void *socket, message *frames, int count)
{
    message_send(&frames[2], socket, SNDMORE);
    send_bytes(socket, "", 0, SNDMORE);
    message_send(&frames[0], socket, SNDMORE);
    send_bytes(socket, "", 0, SNDMORE);
    for (int at = 4; at < count; at++)
        message_send(&frames[at], socket, at < count - 1 ? SNDMORE : 0);
    message_close(&frames[1]);
    message_close(&frames[3]);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: cameo_loop LIBRARY\n");
        return 2;
    }
    load(argv[1]);
    void *socket = make_socket(context_new(), ROUTER);
    set_option(socket, ROUTING_ID, "R", 1);
    if (bind_socket(socket, "tcp://127.0.0.1:*"))
        return 1;
    char endpoint[64];
    size_t size = sizeof endpoint;
    get_option(socket, LAST_ENDPOINT, endpoint, &size);
    int port = 0;
    sscanf(endpoint, "tcp://127.0.0.1:%d", &port);
    printf("%d\n", port);
    fflush(stdout);
    for (;;) {
        message frames[FRAMES];
        int count = receive(socket, frames);
        if (count > 4)
            forward(socket, frames, count);
        else
            while (count)
                message_close(&frames[--count]);
    }
}
