/* load.h - what both load generators share: time, latency histogram, unique numbers, addresses.
 *
 * Promises: nothing here allocates or blocks once a load runs; a histogram bucket is at most
 * 1.6 % wide, so a percentile is that exact.
 */
#ifndef POSTWARD_BENCH_LOAD_H
#define POSTWARD_BENCH_LOAD_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static inline void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, errno ? strerror(errno) : "bad value");
    exit(2);
}

static inline uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t) t.tv_sec * 1000000000u + (uint64_t) t.tv_nsec;
}

static inline void pin_to_core(int core)
{
    cpu_set_t cores;
    CPU_ZERO(&cores);
    CPU_SET(core, &cores);
    if (sched_setaffinity(0, sizeof cores, &cores) != 0)
        die("sched_setaffinity");
}

/* Latencies: 64 buckets for each power of two nanoseconds. */
#define SUB 64
struct histogram {
    uint64_t count[64 * SUB];
    uint64_t total, longest;
};

static inline unsigned bucket_of(uint64_t ns)
{
    if (ns < SUB)
        return (unsigned) ns;
    unsigned power = 63u - (unsigned) __builtin_clzll(ns);      /* 2^power <= ns */
    return (power - 5) * SUB + (unsigned) ((ns >> (power - 6)) - SUB);
}

static inline uint64_t bucket_value(unsigned bucket)
{
    if (bucket < SUB)
        return bucket;
    unsigned power = bucket / SUB + 5;
    return ((uint64_t) (bucket % SUB) + SUB) << (power - 6);
}

static inline void histogram_add(struct histogram *h, uint64_t ns)
{
    h->count[bucket_of(ns)]++;
    h->total++;
    if (ns > h->longest)
        h->longest = ns;
}

/* The latency below which `share` (0..1) of all lie, in ms. */
static inline double percentile_ms(const struct histogram *h, double share)
{
    uint64_t wanted = (uint64_t) ((double) h->total * share), seen = 0;
    for (unsigned b = 0; b < 64 * SUB; b++) {
        seen += h->count[b];
        if (seen > wanted)
            return (double) bucket_value(b) / 1e6;
    }
    return (double) h->longest / 1e6;
}

/* Texts with marks: each run of exactly MARK_LENGTH '@' is replaced by a number in hex, so that
 * instances, senders and Message-IDs can be made unique without a formatter on the hot path. The
 * same with a colon behind each four digits makes an IPv6 network. */
#define MARK "@@@@@@@@@@@@"
#define MARK_IN_ADDRESS "@@@@:@@@@:@@@@"
#define MARK_LENGTH 12
#define MARKS 8
struct text {
    char *bytes;
    size_t length;
    struct { size_t at; unsigned group; } mark[MARKS];
    unsigned marks;
};

static inline void text_find_marks(struct text *t)
{
    static const struct { const char *text; unsigned group; } kind[] = {
        { MARK, MARK_LENGTH }, { MARK_IN_ADDRESS, 4 },
    };
    t->marks = 0;
    for (size_t i = 0; i < t->length && t->marks < MARKS; i++) {
        for (unsigned k = 0; k < 2; k++) {
            size_t length = strlen(kind[k].text);
            if (i + length <= t->length && memcmp(t->bytes + i, kind[k].text, length) == 0) {
                t->mark[t->marks].at = i;
                t->mark[t->marks++].group = kind[k].group;
                i += length - 1;
                break;
            }
        }
    }
}

static inline void text_patch(const struct text *t, char *copy, uint64_t number)
{
    for (unsigned m = 0; m < t->marks; m++) {
        uint64_t rest = number;
        for (int digit = MARK_LENGTH - 1; digit >= 0; digit--, rest >>= 4) {
            unsigned colons = (unsigned) digit / t->mark[m].group;
            copy[t->mark[m].at + (size_t) digit + colons] = "0123456789abcdef"[rest & 15];
        }
    }
}

static inline char *read_file(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        die(path);
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    char *bytes = malloc((size_t) size + 1);
    if (bytes == NULL || fread(bytes, 1, (size_t) size, file) != (size_t) size)
        die(path);
    bytes[size] = 0;
    *length = (size_t) size;
    fclose(file);
    return bytes;
}

/* `unix:/path` or `inet:address:port` (IPv4). */
struct address {
    union {
        struct sockaddr any;
        struct sockaddr_un un;
        struct sockaddr_in in;
    } of;
    socklen_t length;
};

static inline struct address parse_address(const char *spelled)
{
    struct address a;
    memset(&a, 0, sizeof a);
    if (strncmp(spelled, "unix:", 5) == 0) {
        if (strlen(spelled + 5) >= sizeof a.of.un.sun_path)
            die(spelled);
        a.of.un.sun_family = AF_UNIX;
        strcpy(a.of.un.sun_path, spelled + 5);
        a.length = sizeof a.of.un;
        return a;
    }
    char host[64];
    const char *colon = strrchr(spelled, ':');
    if (strncmp(spelled, "inet:", 5) != 0 || colon <= spelled + 5 || (size_t) (colon - spelled) >= sizeof host)
        die(spelled);
    snprintf(host, sizeof host, "%.*s", (int) (colon - spelled - 5), spelled + 5);
    a.of.in.sin_family = AF_INET;
    a.of.in.sin_port = htons((uint16_t) atoi(colon + 1));
    if (inet_pton(AF_INET, host, &a.of.in.sin_addr) != 1)
        die(spelled);
    a.length = sizeof a.of.in;
    return a;
}

/* A connected, non-blocking socket, or -1 with errno. Connecting itself blocks: everything is local. */
static inline int connect_to(const struct address *a)
{
    int fd = socket(a->of.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        die("socket");
    if (connect(fd, &a->of.any, a->length) != 0) {
        int why = errno;
        close(fd);
        errno = why;
        return -1;
    }
    int flag = 1;
    if (a->of.any.sa_family == AF_INET)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &flag, sizeof flag);
    return fd;
}

/* Whole numbers for the options; anything else ends the program. */
static inline long number_option(const char *value)
{
    char *end;
    errno = 0;
    long number = strtol(value, &end, 10);
    if (*value == 0 || *end != 0 || errno != 0 || number < 0)
        die(value);
    return number;
}

#endif
