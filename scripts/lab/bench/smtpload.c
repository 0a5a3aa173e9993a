/* smtpload - sends mail through an SMTP server in many sessions at once, and measures.
 *
 * The jobs file has a line for each mail, six fields between tabs:
 *
 *     client address, client name, HELO, envelope sender, recipient, path of the message
 *
 * Marks (twelve '@') in sender, recipient and message become the number of the mail in hex. A
 * session takes the client (by XCLIENT, when asked for; `-` for none) and the HELO of its first
 * job and sends --per-session mails. Lines of the message end in LF or CRLF; leading dots are
 * doubled here.
 *
 * MAIL, RCPT and DATA go out in one write when the server offers PIPELINING, unless
 * --no-pipelining. The latency of a mail is the time from MAIL to the last reply to it.
 *
 * With --warm-up, that many seconds of the same load come first, are not counted, and a line
 * `counting` is printed when they are over.
 *
 * Prints one line of JSON; `kinds` counts the last replies by code. Exit status 1 if none was 250.
 */
#define _GNU_SOURCE
#include "load.h"
#include "jobs.h"

#include <fcntl.h>
#include <getopt.h>
#include <sys/epoll.h>

#define LARGEST_REPLY 16384
#define KINDS 32

enum state { GREETING, XCLIENT, EHLO, MAIL, RCPT, DATA, CONTENT, RSET, QUIT, IDLE };

struct session {
    int fd;
    enum state state;
    const struct job *first, *job;
    uint64_t number, began;
    long mails;                 /* begun in this session */
    int pipelining, failed;     /* failed: the code that refused this mail's MAIL or RCPT */
    unsigned life;              /* counts the connections of this session */
    char *out;
    size_t out_room, sent, to_send, received;
    char reply[LARGEST_REPLY];
};

static struct {
    struct address address;
    struct jobs jobs;
    uint64_t first, begun, wanted, started, ends, warm_until;
    long per_session;
    int xclient, no_pipelining, epoll;
    struct session *sessions;
    unsigned session_count;
    struct histogram latency;
    uint64_t done, trouble, bytes;
    struct { int code; uint64_t count; } kind[KINDS];
    unsigned kinds;
} load;

/* -- writing ----------------------------------------------------------------------------------- */

static void need_room(struct session *s, size_t room)
{
    if (room <= s->out_room)
        return;
    s->out = realloc(s->out, room);
    if (s->out == NULL)
        die("memory");
    s->out_room = room;
}

static void start_session(struct session *s);

static void watch(struct session *s, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.ptr = s };
    epoll_ctl(load.epoll, EPOLL_CTL_MOD, s->fd, &event);
}

static void lose(struct session *s)
{
    load.trouble++;
    close(s->fd);
    start_session(s);
}

static void send_rest(struct session *s)
{
    while (s->sent < s->to_send) {
        ssize_t n = send(s->fd, s->out + s->sent, s->to_send - s->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            watch(s, EPOLLIN | EPOLLOUT);
            return;
        }
        if (n < 0) {
            lose(s);
            return;
        }
        s->sent += (size_t) n;
    }
}

static void send_line(struct session *s, const char *line)
{
    s->to_send = strlen(line);
    need_room(s, s->to_send);
    memcpy(s->out, line, s->to_send);
    s->sent = 0;
    send_rest(s);
}

static size_t put(struct session *s, size_t at, const char *bytes, size_t length)
{
    memcpy(s->out + at, bytes, length);
    return at + length;
}

static size_t put_text(struct session *s, size_t at, const struct text *t)
{
    memcpy(s->out + at, t->bytes, t->length);
    text_patch(t, s->out + at, s->number);
    return at + t->length;
}

/* The commands from `state` on: all three at MAIL when pipelined, else one. */
static void send_envelope(struct session *s, enum state state)
{
    size_t at = 0;
    need_room(s, 2048);
    if (state == MAIL) {
        at = put(s, at, "MAIL FROM:<", 11);
        at = put_text(s, at, &s->job->sender);
        at = put(s, at, ">\r\n", 3);
    }
    if (state == RCPT || (state == MAIL && s->pipelining)) {
        at = put(s, at, "RCPT TO:<", 9);
        at = put_text(s, at, &s->job->recipient);
        at = put(s, at, ">\r\n", 3);
    }
    if (state == DATA || (state == MAIL && s->pipelining))
        at = put(s, at, "DATA\r\n", 6);
    s->to_send = at;
    s->sent = 0;
    send_rest(s);
}

static void send_content(struct session *s)
{
    need_room(s, s->job->message->length);
    s->to_send = put_text(s, 0, s->job->message);
    s->sent = 0;
    load.bytes += s->to_send;
    send_rest(s);
}

/* -- the dialogue ------------------------------------------------------------------------------ */

static int is_over(uint64_t now)
{
    return load.begun >= load.wanted || now >= load.ends;
}

static void start_session(struct session *s)
{
    s->state = IDLE;
    s->fd = -1;
    s->life++;
    if (is_over(now_ns()))
        return;
    for (int tries = 0; (s->fd = connect_to(&load.address)) < 0; tries++) {
        if ((errno != EAGAIN && errno != ECONNREFUSED) || tries == 2000)
            die("connect");
        usleep(1000);           /* the backlog is full */
    }
    fcntl(s->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = s };
    epoll_ctl(load.epoll, EPOLL_CTL_ADD, s->fd, &event);
    s->state = GREETING;
    s->first = job_number(&load.jobs, load.first + load.begun);
    s->mails = 0;
    s->received = s->sent = s->to_send = 0;
}

static void say_ehlo(struct session *s)
{
    char line[900];
    snprintf(line, sizeof line, "EHLO %s\r\n", s->first->helo);
    s->state = EHLO;
    send_line(s, line);
}

static void say_xclient(struct session *s)
{
    char line[900];
    snprintf(line, sizeof line, "XCLIENT ADDR=%s%s NAME=%s\r\n", strchr(s->first->address, ':') ? "IPV6:" : "",
             s->first->address, strcmp(s->first->name, "-") == 0 ? "[UNAVAILABLE]" : s->first->name);
    s->state = XCLIENT;
    send_line(s, line);
}

static void next_mail(struct session *s)
{
    uint64_t now = now_ns();
    if (is_over(now) || s->mails == load.per_session) {
        s->state = QUIT;
        send_line(s, "QUIT\r\n");
        return;
    }
    s->mails++;
    s->number = load.first + load.begun++;
    s->job = job_number(&load.jobs, s->number);
    s->began = now;
    s->failed = 0;
    s->state = MAIL;
    send_envelope(s, MAIL);
}

static void count_mail(struct session *s, int code)
{
    uint64_t now = now_ns();
    if (now < load.warm_until)
        return;
    load.done++;
    histogram_add(&load.latency, now - s->began);
    for (unsigned k = 0; k < load.kinds; k++) {
        if (load.kind[k].code == code) {
            load.kind[k].count++;
            return;
        }
    }
    if (load.kinds < KINDS) {
        load.kind[load.kinds].code = code;
        load.kind[load.kinds++].count = 1;
    }
}

/* One complete reply to what `state` stands for. 0 if the session is over. */
static int on_reply(struct session *s, int code, const char *reply)
{
    if (code == 421 && s->state != GREETING)
        return 0;
    switch (s->state) {
    case GREETING:
        if (code != 220)
            return 0;
        if (load.xclient && strcmp(s->first->address, "-") != 0)
            say_xclient(s);
        else
            say_ehlo(s);
        return 1;
    case XCLIENT:               /* answered by the greeting of a new session */
        if (code != 220)
            return 0;
        say_ehlo(s);
        return 1;
    case EHLO:
        if (code != 250)
            return 0;
        s->pipelining = !load.no_pipelining && strstr(reply, "PIPELINING") != NULL;
        next_mail(s);
        return 1;
    case MAIL:
    case RCPT:
        if (code >= 300 && !s->failed)
            s->failed = code;
        if (s->failed && !s->pipelining) {
            count_mail(s, s->failed);
            s->state = RSET;
            send_line(s, "RSET\r\n");
            return 1;
        }
        s->state = s->state == MAIL ? RCPT : DATA;
        if (!s->pipelining)
            send_envelope(s, s->state);
        return 1;
    case DATA:
        if (code == 354 && !s->failed) {
            s->state = CONTENT;
            send_content(s);
            return 1;
        }
        count_mail(s, s->failed ? s->failed : code);
        if (code == 354)
            return 0;           /* the server wants content for a mail that it has refused */
        s->state = RSET;
        send_line(s, "RSET\r\n");
        return 1;
    case CONTENT:
        count_mail(s, code);
        next_mail(s);
        return 1;
    case RSET:
        next_mail(s);
        return 1;
    default:
        return 0;
    }
}

/* The length of the first complete reply (with all its lines), or 0. */
static size_t reply_length(const char *reply, size_t length)
{
    const char *at = reply, *end = reply + length, *newline;
    while ((newline = memchr(at, '\n', (size_t) (end - at))) != NULL) {
        if (newline - at < 3 || at[3] != '-')
            return (size_t) (newline + 1 - reply);
        at = newline + 1;
    }
    return 0;
}

static void end_session(struct session *s)
{
    if (s->state != QUIT)
        load.trouble++;
    close(s->fd);
    start_session(s);
}

static void hear(struct session *s)
{
    ssize_t n = recv(s->fd, s->reply + s->received, LARGEST_REPLY - 1 - s->received, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        end_session(s);
        return;
    }
    s->received += (size_t) n;
    s->reply[s->received] = 0;
    size_t length, at = 0;
    while ((length = reply_length(s->reply + at, s->received - at)) > 0) {
        unsigned life = s->life;
        char after = s->reply[at + length];
        s->reply[at + length] = 0;
        int code = atoi(s->reply + at);
        int goes_on = on_reply(s, code, s->reply + at);
        s->reply[at + length] = after;
        if (s->life != life)
            return;             /* lost while writing: a new connection began */
        if (!goes_on) {
            end_session(s);
            return;
        }
        at += length;
    }
    s->received -= at;
    memmove(s->reply, s->reply + at, s->received);
    if (s->received == LARGEST_REPLY - 1)
        lose(s);
}

static int anyone_busy(void)
{
    for (unsigned i = 0; i < load.session_count; i++)
        if (load.sessions[i].state != IDLE && (load.sessions[i].state != QUIT || !is_over(now_ns())))
            return 1;
    return 0;
}

/* The warm-up is over: what happened in it never was. */
static void start_counting(uint64_t now)
{
    load.warm_until = load.trouble = load.bytes = 0;
    load.started = now;
    printf("counting\n");
    fflush(stdout);
}

static void run(void)
{
    struct epoll_event event[256];
    uint64_t give_up = load.ends == UINT64_MAX ? UINT64_MAX : load.ends + 60000000000u;
    load.started = now_ns();
    for (unsigned i = 0; i < load.session_count; i++)
        start_session(&load.sessions[i]);
    while (anyone_busy() && now_ns() < give_up) {
        int ready = epoll_wait(load.epoll, event, 256, 1000);
        if (load.warm_until && now_ns() >= load.warm_until)
            start_counting(now_ns());
        for (int i = 0; i < ready; i++) {
            struct session *s = event[i].data.ptr;
            if (s->fd < 0)
                continue;
            if (event[i].events & EPOLLOUT) {
                watch(s, EPOLLIN);
                send_rest(s);
            }
            if (event[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                hear(s);
        }
    }
}

static uint64_t report(void)
{
    double seconds = (double) (now_ns() - load.started) / 1e9;
    uint64_t accepted = 0;
    printf("{\"done\": %llu, \"trouble\": %llu, \"seconds\": %.6f, \"rate\": %.1f, \"bytes\": %llu, "
           "\"p50_ms\": %.4f, \"p99_ms\": %.4f, \"max_ms\": %.4f, \"next\": %llu, \"kinds\": {",
           (unsigned long long) load.done, (unsigned long long) load.trouble, seconds, (double) load.done / seconds,
           (unsigned long long) load.bytes, percentile_ms(&load.latency, 0.5), percentile_ms(&load.latency, 0.99),
           (double) load.latency.longest / 1e6, (unsigned long long) (load.first + load.begun));
    for (unsigned k = 0; k < load.kinds; k++) {
        printf("%s\"%d\": %llu", k ? ", " : "", load.kind[k].code, (unsigned long long) load.kind[k].count);
        if (load.kind[k].code == 250)
            accepted = load.kind[k].count;
    }
    printf("}}\n");
    return accepted;
}

static void usage(void)
{
    fprintf(stderr, "smtpload --address inet:IP:PORT|unix:PATH --jobs FILE [--sessions N] [--per-session N]\n"
                    "    [--messages N] [--seconds S] [--first N] [--core N] [--warm-up S]\n"
                    "    [--xclient] [--no-pipelining]\n");
    exit(2);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "address", 1, 0, 'a' }, { "jobs", 1, 0, 'j' }, { "sessions", 1, 0, 'n' }, { "per-session", 1, 0, 'p' },
        { "messages", 1, 0, 'm' }, { "seconds", 1, 0, 's' }, { "first", 1, 0, 'i' }, { "core", 1, 0, 'c' },
        { "warm-up", 1, 0, 'w' },
        { "xclient", 0, 0, 'x' }, { "no-pipelining", 0, 0, 'P' }, { 0 },
    };
    const char *address = NULL, *jobs = NULL;
    long seconds = 0, warm_up = 0;
    load.session_count = 20;
    load.per_session = 20;
    load.wanted = UINT64_MAX;
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (o) {
        case 'a': address = optarg; break;
        case 'j': jobs = optarg; break;
        case 'n': load.session_count = (unsigned) number_option(optarg); break;
        case 'p': load.per_session = number_option(optarg); break;
        case 'm': load.wanted = (uint64_t) number_option(optarg); break;
        case 's': seconds = number_option(optarg); break;
        case 'i': load.first = (uint64_t) number_option(optarg); break;
        case 'c': pin_to_core((int) number_option(optarg)); break;
        case 'w': warm_up = number_option(optarg); break;
        case 'x': load.xclient = 1; break;
        case 'P': load.no_pipelining = 1; break;
        default: usage();
        }
    }
    if (address == NULL || jobs == NULL || load.session_count == 0 || load.per_session == 0
        || (seconds == 0 && load.wanted == UINT64_MAX))
        usage();
    load.address = parse_address(address);
    read_jobs(&load.jobs, jobs);
    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    load.sessions = calloc(load.session_count, sizeof *load.sessions);
    if (load.epoll < 0 || load.sessions == NULL)
        die("start");
    if (warm_up)
        load.warm_until = now_ns() + (uint64_t) warm_up * 1000000000u;
    load.ends = seconds ? now_ns() + (uint64_t) (warm_up + seconds) * 1000000000u : UINT64_MAX;
    run();
    return report() == 0;
}
