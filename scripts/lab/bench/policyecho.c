/* policyecho - answers DUNNO to every policy request: the limit that no real service passes.
 *
 * One process, epoll. It reads to the empty line that ends a request and looks at nothing else.
 * Serves until it is killed.
 */
#define _GNU_SOURCE
#include "load.h"

#include <fcntl.h>
#include <sys/epoll.h>

#define LARGEST_REQUEST 16384
static const char answer[] = "action=DUNNO\n\n";

struct client {
    int fd;
    size_t received;
    char request[LARGEST_REQUEST];
};

/* 0 when the client is gone. An answer of 14 bytes always fits an empty socket buffer. */
static int serve(struct client *c)
{
    ssize_t n = recv(c->fd, c->request + c->received, LARGEST_REQUEST - c->received, 0);
    if (n <= 0)
        return n < 0 && errno == EAGAIN;
    c->received += (size_t) n;
    char *at = c->request, *end = c->request + c->received, *blank;
    while ((blank = memmem(at, (size_t) (end - at), "\n\n", 2)) != NULL) {
        if (send(c->fd, answer, sizeof answer - 1, MSG_NOSIGNAL) != (ssize_t) sizeof answer - 1)
            return 0;
        at = blank + 2;
    }
    c->received = (size_t) (end - at);
    memmove(c->request, at, c->received);
    return c->received < LARGEST_REQUEST;
}

static void welcome(int listener, int epoll)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    int flag = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &flag, sizeof flag);       /* fails on a unix socket: as it should */
    struct client *c = calloc(1, sizeof *c);
    if (c == NULL)
        die("memory");
    c->fd = fd;
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "policyecho unix:PATH|inet:IP:PORT\n");
        return 2;
    }
    struct address address = parse_address(argv[1]);
    if (address.of.any.sa_family == AF_UNIX)
        unlink(address.of.un.sun_path);
    int listener = socket(address.of.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0), flag = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &flag, sizeof flag);
    if (bind(listener, &address.of.any, address.length) != 0 || listen(listener, 512) != 0)
        die(argv[1]);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event[256] = { { .events = EPOLLIN, .data.ptr = NULL } };
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event[0]);
    for (;;) {
        int ready = epoll_wait(epoll, event, 256, -1);
        for (int i = 0; i < ready; i++) {
            struct client *c = event[i].data.ptr;
            if (c == NULL) {
                welcome(listener, epoll);
            } else if (!serve(c)) {
                close(c->fd);
                free(c);
            }
        }
    }
}
