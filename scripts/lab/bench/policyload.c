/* policyload - asks a policy service as fast as it answers (or at a given rate), and measures.
 *
 * The file holds prepared requests, each ended by an empty line. Marks (twelve '@') in them become
 * the number of the request in hex: put one into `instance`, and one into `sender` for a sender
 * never seen before. Requests are taken in turn, each connection has one under way (as Postfix). One
 * that begins with a line `+` is about the next recipient of the message before: it has the same
 * number, and follows on the same connection as soon as the answer is there.
 *
 * With --rate, request n is due at n/rate seconds on one of the connections, and its latency counts
 * from then, so that a service that stalls is not flattered by the requests that were held back
 * meanwhile. All that are due before the end are asked, however late; `late` counts those that no
 * connection was free for within 1 ms, `unanswered` those without an answer 10 s after the end.
 *
 * With --warm-up, that many seconds of the same load on the same connections come first, are not
 * counted, and a line `counting` is printed when they are over. With --every N, a line
 * `so far SECONDS P99_MS MAX_MS` is printed for each N seconds that were counted.
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
#define LATE 1000000u           /* ns */
#define PATIENCE 10000000000u   /* ns after the end */

struct request {
    struct text text;
    unsigned more;              /* requests of the same message that follow */
};

struct connection {
    int fd, busy, counts;
    size_t at;                  /* the request under way */
    uint64_t number;
    size_t sent, to_send, received;
    uint64_t began;
    char request[LARGEST_REQUEST], answer[LARGEST_ANSWER];
};

static struct {
    struct address address;
    struct request *requests;
    size_t request_count;
    uint64_t first, asked, wanted, began, started, ends, warm_until, every, next_tick;
    double rate;
    int epoll;
    struct connection *connections;
    unsigned connection_count, turn;
    struct histogram latency, lately;
    uint64_t answers, trouble, heard, late, counted;
    struct { char word[32]; uint64_t count; } kind[KINDS];
    unsigned kinds;
} load;

/* All requests of the message that was read last have one more behind them. */
static void add_recipient(void)
{
    size_t i = load.request_count;
    if (i == 0)
        die("the file begins with a next recipient");
    do
        load.requests[--i].more++;
    while (i > 0 && load.requests[i - 1].more > 0);
}

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
        if (memcmp(at, "+\n", 2) == 0) {
            at += 2;
            add_recipient();
        }
        struct request *request = &load.requests[load.request_count++];
        request->more = 0;
        request->text.bytes = at;
        request->text.length = (size_t) (blank + 2 - at);
        if (request->text.length > LARGEST_REQUEST)
            die("a request is too large");
        text_find_marks(&request->text);
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

/* All has been asked, or the time is over. With a rate the number is what ends it. */
static int is_over(uint64_t now)
{
    return load.asked >= load.wanted || (load.rate == 0 && now >= load.ends);
}

static uint64_t due(uint64_t number)
{
    return load.began + (uint64_t) ((double) number * 1e9 / load.rate);
}

static void put(struct connection *c)
{
    const struct text *request = &load.requests[c->at].text;
    memcpy(c->request, request->bytes, request->length);
    text_patch(request, c->request, c->number);
    c->to_send = request->length;
    c->sent = c->received = 0;
    c->busy = 1;
    send_rest(c);
}

/* Ask the next message's first request, if it is due; those of its other recipients follow. */
static void ask(struct connection *c, uint64_t now)
{
    c->busy = 0;
    if (is_over(now) || (load.rate > 0 && due(load.asked) > now))
        return;
    c->began = load.rate > 0 ? due(load.asked) : now;
    c->at = (load.first + load.asked) % load.request_count;
    c->number = load.first + load.asked;
    c->counts = c->began >= load.warm_until;
    unsigned requests = 1 + load.requests[c->at].more;
    load.asked += requests;
    if (c->counts) {
        load.counted += requests;
        load.late += now - c->began > LATE;
    }
    put(c);
}

/* The answer is there: ask about the next recipient, or the next message. */
static void go_on(struct connection *c, uint64_t now)
{
    if (load.requests[c->at].more > 0) {
        c->at++;
        c->began = now;
        put(c);
    } else if (load.rate > 0) {
        c->busy = 0;            /* the next one that is due goes to whose turn it is */
    } else {
        ask(c, now);
    }
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

static void count(const struct connection *c, uint64_t now)
{
    load.heard++;
    if (strncmp(c->answer, "action=", 7) != 0) {
        load.trouble++;
        return;
    }
    count_kind(c->answer);
    load.answers++;
    histogram_add(&load.latency, now - c->began);
    if (load.every)
        histogram_add(&load.lately, now - c->began);
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
    if (load.rate > 0 ? c->counts : now >= load.warm_until)
        count(c, now);
    go_on(c, now);
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
    load.trouble = 0;
    load.started = now;
    load.next_tick = now + load.every;
    printf("counting\n");
    fflush(stdout);
}

static void tick(uint64_t now)
{
    printf("so far %.0f %.4f %.4f\n", (double) (now - load.started) / 1e9, percentile_ms(&load.lately, 0.99),
           (double) load.lately.longest / 1e6);
    fflush(stdout);
    memset(&load.lately, 0, sizeof load.lately);
    load.next_tick += load.every;
}

static void run(void)
{
    struct epoll_event event[256];
    uint64_t give_up = load.ends == UINT64_MAX ? UINT64_MAX : load.ends + PATIENCE;
    for (int counting = 0;;) {
        uint64_t now = now_ns();
        if (!counting && now >= load.warm_until) {
            counting = 1;
            start_counting(now);
        }
        if (counting && load.every && now >= load.next_tick)
            tick(now);
        for (unsigned i = 0, turn = load.turn; i < load.connection_count; i++) {
            struct connection *c = &load.connections[turn];
            turn = (turn + 1) % load.connection_count;
            if (!c->busy) {
                ask(c, now);
                if (c->busy)
                    load.turn = turn;
            }
        }
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

/* Requests that were due in the counted time and have no answer: of an open loop only. */
static uint64_t unanswered(void)
{
    if (load.rate == 0)
        return 0;
    uint64_t never_asked = load.wanted > load.asked ? load.wanted - load.asked : 0;
    return load.counted + never_asked - load.heard;
}

static void report(void)
{
    double seconds = (double) (now_ns() - load.started) / 1e9;
    static const struct { const char *name; double share; } at[] = {
        { "p50_ms", 0.5 }, { "p90_ms", 0.9 }, { "p99_ms", 0.99 }, { "p999_ms", 0.999 },
    };
    printf("{\"done\": %llu, \"trouble\": %llu, \"seconds\": %.6f, \"rate\": %.1f, ",
           (unsigned long long) load.answers, (unsigned long long) load.trouble, seconds,
           (double) load.answers / seconds);
    for (unsigned p = 0; p < sizeof at / sizeof *at; p++)
        printf("\"%s\": %.4f, ", at[p].name, percentile_ms(&load.latency, at[p].share));
    printf("\"max_ms\": %.4f, \"late\": %llu, \"unanswered\": %llu, \"next\": %llu, \"kinds\": {",
           (double) load.latency.longest / 1e6, (unsigned long long) load.late,
           (unsigned long long) unanswered(), (unsigned long long) (load.first + load.asked));
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
                    "    [--requests N] [--seconds S] [--rate N] [--first N] [--core N] [--warm-up S] [--every S]\n");
    exit(2);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "address", 1, 0, 'a' }, { "file", 1, 0, 'f' }, { "connections", 1, 0, 'n' }, { "requests", 1, 0, 'r' },
        { "seconds", 1, 0, 's' }, { "rate", 1, 0, 'R' }, { "first", 1, 0, 'i' }, { "core", 1, 0, 'c' },
        { "warm-up", 1, 0, 'w' }, { "every", 1, 0, 'e' }, { 0 },
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
        case 'e': load.every = (uint64_t) number_option(optarg) * 1000000000u; break;
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
    load.began = now_ns();
    load.warm_until = load.began + (uint64_t) warm_up * 1000000000u;
    load.ends = seconds ? load.began + (uint64_t) (warm_up + seconds) * 1000000000u : UINT64_MAX;
    if (load.rate > 0 && seconds && load.wanted > (uint64_t) (load.rate * (double) (warm_up + seconds)))
        load.wanted = (uint64_t) (load.rate * (double) (warm_up + seconds));
    run();
    report();
    return load.answers == 0;
}
