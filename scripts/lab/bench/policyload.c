/* policyload - asks a policy service as fast as it answers (or at a given rate), and measures.
 *
 * The file holds prepared requests, each ended by an empty line. Marks (twelve '@') in them become
 * the number of the request in hex: put one into `instance`, and one into `sender` for a sender
 * never seen before. Requests are taken in turn, each connection has one under way (as Postfix).
 *
 * With --rate, request n is due at n/rate seconds and its latency counts from then, so that a
 * service that stalls is not flattered by the requests that were held back meanwhile.
 *
 * With --warm-up, that many seconds of the same load on the same connections come first, are not
 * counted, and a line `counting` is printed when they are over.
 *
 * Prints one line of JSON. A closed connection or an answer without `action=` counts as trouble;
 * exit status 1 if there was nothing but trouble.
 */
#define _GNU_SOURCE
#include "load.h"

#include <fcntl.h>
#include <getopt.h>
#include <sys/epoll.h>

#define LARGEST_REQUEST 8192
#define LARGEST_ANSWER 8192
#define KINDS 24

struct connection {
    int fd, busy;
    size_t sent, to_send, received;
    uint64_t began;
    char request[LARGEST_REQUEST], answer[LARGEST_ANSWER];
};

static struct {
    struct address address;
    struct text *requests;
    size_t request_count;
    uint64_t first, asked, wanted, began, started, ends, warm_until;
    double rate;
    int epoll;
    struct connection *connections;
    unsigned connection_count, open;
    struct histogram latency;
    uint64_t answers, trouble;
    struct { char word[32]; uint64_t count; } kind[KINDS];
    unsigned kinds;
} load;

static void read_requests(const char *path)
{
    size_t length, room = 0;
    char *bytes = read_file(path, &length), *at = bytes, *end = bytes + length, *blank;
    while (at < end && (blank = memmem(at, (size_t) (end - at), "\n\n", 2)) != NULL) {
        if (load.request_count == room) {
            room = room ? room * 2 : 256;
            load.requests = realloc(load.requests, room * sizeof *load.requests);
            if (load.requests == NULL)
                die("memory");
        }
        struct text *request = &load.requests[load.request_count++];
        request->bytes = at;
        request->length = (size_t) (blank + 2 - at);
        if (request->length > LARGEST_REQUEST)
            die("a request is too large");
        text_find_marks(request);
        at = blank + 2;
    }
    if (load.request_count == 0)
        die("the file holds no request that ends in an empty line");
}

static void open_connection(struct connection *c)
{
    for (int tries = 0; (c->fd = connect_to(&load.address)) < 0; tries++) {
        if ((errno != EAGAIN && errno != ECONNREFUSED) || tries == 2000)
            die("connect");
        usleep(1000);           /* the backlog is full */
    }
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
    epoll_ctl(load.epoll, EPOLL_CTL_ADD, c->fd, &event);
    c->busy = 0;
}

static void reopen(struct connection *c)
{
    load.trouble++;
    close(c->fd);
    open_connection(c);
}

static void send_rest(struct connection *c)
{
    while (c->sent < c->to_send) {
        ssize_t n = send(c->fd, c->request + c->sent, c->to_send - c->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            struct epoll_event event = { .events = EPOLLIN | EPOLLOUT, .data.ptr = c };
            epoll_ctl(load.epoll, EPOLL_CTL_MOD, c->fd, &event);
            return;
        }
        if (n < 0) {
            reopen(c);
            return;
        }
        c->sent += (size_t) n;
    }
}

/* All has been asked, or the time is over. */
static int is_over(uint64_t now)
{
    return load.asked >= load.wanted || now >= load.ends;
}

static uint64_t due(uint64_t number)
{
    return load.began + (uint64_t) ((double) number * 1e9 / load.rate);
}

/* Ask the next request, if one is due. */
static void ask(struct connection *c, uint64_t now)
{
    c->busy = 0;
    if (is_over(now) || (load.rate > 0 && due(load.asked) > now))
        return;
    const struct text *request = &load.requests[(load.first + load.asked) % load.request_count];
    memcpy(c->request, request->bytes, request->length);
    text_patch(request, c->request, load.first + load.asked);
    c->began = load.rate > 0 ? due(load.asked) : now;
    load.asked++;
    c->to_send = request->length;
    c->sent = c->received = 0;
    c->busy = 1;
    send_rest(c);
}

static void count_kind(const char *answer)
{
    char word[32];
    size_t length = strcspn(answer + 7, " \n");
    if (length >= sizeof word)
        length = sizeof word - 1;
    memcpy(word, answer + 7, length);
    word[length] = 0;
    for (unsigned k = 0; k < load.kinds; k++) {
        if (strcmp(load.kind[k].word, word) == 0) {
            load.kind[k].count++;
            return;
        }
    }
    if (load.kinds < KINDS) {
        strcpy(load.kind[load.kinds].word, word);
        load.kind[load.kinds++].count = 1;
    }
}

static void hear(struct connection *c)
{
    ssize_t n = recv(c->fd, c->answer + c->received, LARGEST_ANSWER - 1 - c->received, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0 || !c->busy) {
        reopen(c);
        return;
    }
    c->received += (size_t) n;
    c->answer[c->received] = 0;
    if (c->received < 2 || memcmp(c->answer + c->received - 2, "\n\n", 2) != 0) {
        if (c->received == LARGEST_ANSWER - 1)
            reopen(c);
        return;
    }
    uint64_t now = now_ns();
    if (now < load.warm_until) {
        ask(c, now);
        return;
    }
    if (strncmp(c->answer, "action=", 7) == 0) {
        count_kind(c->answer);
        load.answers++;
        histogram_add(&load.latency, now - c->began);
    } else {
        load.trouble++;
    }
    ask(c, now);
}

static int anyone_busy(void)
{
    for (unsigned i = 0; i < load.connection_count; i++)
        if (load.connections[i].busy)
            return 1;
    return 0;
}

/* The warm-up is over: what happened in it never was. */
static void start_counting(uint64_t now)
{
    load.warm_until = 0;
    load.trouble = 0;
    load.started = now;
    printf("counting\n");
    fflush(stdout);
}

static void run(void)
{
    struct epoll_event event[256];
    load.began = load.started = now_ns();
    uint64_t give_up = load.ends == UINT64_MAX ? UINT64_MAX : load.ends + 10000000000u;
    for (;;) {
        uint64_t now = now_ns();
        if (load.warm_until && now >= load.warm_until)
            start_counting(now);
        for (unsigned i = 0; i < load.connection_count; i++)
            if (!load.connections[i].busy)
                ask(&load.connections[i], now);
        if ((is_over(now) && !anyone_busy()) || now >= give_up)
            return;
        /* It spins: it has a core of its own, and a service should not pay for waking us with each answer. */
        int ready = epoll_wait(load.epoll, event, 256, 0);
        for (int i = 0; i < ready; i++) {
            struct connection *c = event[i].data.ptr;
            if (event[i].events & EPOLLOUT) {
                struct epoll_event only_in = { .events = EPOLLIN, .data.ptr = c };
                epoll_ctl(load.epoll, EPOLL_CTL_MOD, c->fd, &only_in);
                send_rest(c);
            }
            if (event[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                hear(c);
        }
    }
}

static void report(void)
{
    double seconds = (double) (now_ns() - load.started) / 1e9;
    printf("{\"done\": %llu, \"trouble\": %llu, \"seconds\": %.6f, \"rate\": %.1f, "
           "\"p50_ms\": %.4f, \"p99_ms\": %.4f, \"max_ms\": %.4f, \"next\": %llu, \"kinds\": {",
           (unsigned long long) load.answers, (unsigned long long) load.trouble, seconds,
           (double) load.answers / seconds, percentile_ms(&load.latency, 0.5), percentile_ms(&load.latency, 0.99),
           (double) load.latency.longest / 1e6, (unsigned long long) (load.first + load.asked));
    for (unsigned k = 0; k < load.kinds; k++) {
        printf("%s\"", k ? ", " : "");
        for (const char *c = load.kind[k].word; *c; c++)
            putchar(*c < ' ' || *c == '"' || *c == '\\' || *c == 127 ? '?' : *c);
        printf("\": %llu", (unsigned long long) load.kind[k].count);
    }
    printf("}}\n");
}

static void usage(void)
{
    fprintf(stderr, "policyload --address unix:PATH|inet:IP:PORT --file REQUESTS [--connections N]\n"
                    "    [--requests N] [--seconds S] [--rate N] [--first N] [--core N] [--warm-up S]\n");
    exit(2);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "address", 1, 0, 'a' }, { "file", 1, 0, 'f' }, { "connections", 1, 0, 'n' }, { "requests", 1, 0, 'r' },
        { "seconds", 1, 0, 's' }, { "rate", 1, 0, 'R' }, { "first", 1, 0, 'i' }, { "core", 1, 0, 'c' },
        { "warm-up", 1, 0, 'w' }, { 0 },
    };
    const char *address = NULL, *file = NULL;
    long seconds = 0, warm_up = 0;
    load.connection_count = 16;
    load.wanted = UINT64_MAX;
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (o) {
        case 'a': address = optarg; break;
        case 'f': file = optarg; break;
        case 'n': load.connection_count = (unsigned) number_option(optarg); break;
        case 'r': load.wanted = (uint64_t) number_option(optarg); break;
        case 's': seconds = number_option(optarg); break;
        case 'R': load.rate = (double) number_option(optarg); break;
        case 'i': load.first = (uint64_t) number_option(optarg); break;
        case 'c': pin_to_core((int) number_option(optarg)); break;
        case 'w': warm_up = number_option(optarg); break;
        default: usage();
        }
    }
    if (address == NULL || file == NULL || load.connection_count == 0 || (seconds == 0 && load.wanted == UINT64_MAX))
        usage();
    load.address = parse_address(address);
    read_requests(file);
    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    load.connections = calloc(load.connection_count, sizeof *load.connections);
    if (load.epoll < 0 || load.connections == NULL)
        die("start");
    for (unsigned i = 0; i < load.connection_count; i++)
        open_connection(&load.connections[i]);
    if (warm_up)
        load.warm_until = now_ns() + (uint64_t) warm_up * 1000000000u;
    load.ends = seconds ? now_ns() + (uint64_t) (warm_up + seconds) * 1000000000u : UINT64_MAX;
    run();
    report();
    return load.answers == 0;
}
