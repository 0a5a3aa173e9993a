/* jobs.h - the mails that smtpload sends: its jobs file and the messages that it names.
 *
 * A message is read once, however many jobs name it, and kept as it goes over the wire.
 */
#ifndef POSTWARD_BENCH_JOBS_H
#define POSTWARD_BENCH_JOBS_H

#include "load.h"

struct job {
    char *address, *name, *helo;
    struct text sender, recipient;
    const struct text *message;
};

struct message {
    char *path;
    struct text text;
};

struct jobs {
    struct job *of;
    size_t count;
    struct message *messages;
    size_t message_count;
};

/* The message as it goes over the wire: CRLF, dots doubled (RFC 5321 4.5.2), the final dot. */
static inline void read_message(struct message *m)
{
    size_t length, o = 0;
    char *bytes = read_file(m->path, &length), *wire = malloc(length * 3 + 16);
    if (wire == NULL)
        die("memory");
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] == '.' && (i == 0 || bytes[i - 1] == '\n'))
            wire[o++] = '.';
        if (bytes[i] == '\n' && (i == 0 || bytes[i - 1] != '\r'))
            wire[o++] = '\r';
        wire[o++] = bytes[i];
    }
    if (o < 2 || memcmp(wire + o - 2, "\r\n", 2) != 0) {
        memcpy(wire + o, "\r\n", 2);
        o += 2;
    }
    memcpy(wire + o, ".\r\n", 3);
    m->text.bytes = wire;
    m->text.length = o + 3;
    text_find_marks(&m->text);
    free(bytes);
}

/* `messages` has room for one a line: pointers into it must not move. */
static inline const struct text *message_at(struct jobs *jobs, char *path)
{
    for (size_t i = 0; i < jobs->message_count; i++)
        if (strcmp(jobs->messages[i].path, path) == 0)
            return &jobs->messages[i].text;
    struct message *m = &jobs->messages[jobs->message_count++];
    m->path = path;
    read_message(m);
    return &m->text;
}

static inline struct text text_of(char *field)
{
    struct text t = { .bytes = field, .length = strlen(field) };
    if (t.length > 500)
        die("an address is too long");
    text_find_marks(&t);
    return t;
}

static inline void read_jobs(struct jobs *jobs, const char *path)
{
    size_t length, lines = 0;
    char *bytes = read_file(path, &length), *line, *rest = bytes;
    for (size_t i = 0; i < length; i++)
        lines += bytes[i] == '\n';
    jobs->of = calloc(lines + 1, sizeof *jobs->of);
    jobs->messages = calloc(lines + 1, sizeof *jobs->messages);
    if (jobs->of == NULL || jobs->messages == NULL)
        die("memory");
    while ((line = strsep(&rest, "\n")) != NULL) {
        char *field[6];
        if (*line == 0)
            continue;
        for (int f = 0; f < 6; f++)
            if ((field[f] = strsep(&line, "\t")) == NULL)
                die("a job needs six fields between tabs");
        struct job *job = &jobs->of[jobs->count++];
        job->address = field[0];
        job->name = field[1];
        job->helo = field[2];
        if (strlen(field[0]) + strlen(field[1]) + strlen(field[2]) > 800)
            die("a client is too long");
        job->sender = text_of(field[3]);
        job->recipient = text_of(field[4]);
        job->message = message_at(jobs, field[5]);
    }
    if (jobs->count == 0)
        die("the file holds no job");
}

/* Jobs are taken in turn. */
static inline const struct job *job_number(const struct jobs *jobs, uint64_t number)
{
    return &jobs->of[number % jobs->count];
}

#endif
