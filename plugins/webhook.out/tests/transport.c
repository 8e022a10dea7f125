/* SPDX-License-Identifier: MIT */
/* transport [OPTION=VALUE]...: sends what comes by stdin, and prints what came
 * of it, for tests in other languages.
 *
 * A line of stdin is a request: method, URL, time-out in ms, body, and headers
 * as "Name: value", separated by tabs.  At its end the program waits for all
 * answers; with stop=MS it stops that long after, with grace=MS.  A line of
 * stdout is an answer: number of the request from 0, class, status, ms, whole,
 * remote, Retry-After, Location's host, body in hex, error, separated by tabs.
 *
 * Options: concurrency, proxy, ca_file, cert, key, no_verify, private
 * (0: refuse), allow (a network, many times), stop, grace. */
#include "../transport.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HEADERS 16

static const char *const classes[] = {
    [TRANSPORT_ANSWERED] = "answered",
    [TRANSPORT_NAME] = "name",
    [TRANSPORT_ADDRESS] = "address",
    [TRANSPORT_CONNECT] = "connect",
    [TRANSPORT_TLS] = "tls",
    [TRANSPORT_TIMEOUT] = "timeout",
    [TRANSPORT_PROTOCOL] = "protocol",
    [TRANSPORT_PROXY] = "proxy",
    [TRANSPORT_REQUEST] = "request",
    [TRANSPORT_CANCELLED] = "cancelled",
    [TRANSPORT_NO_MEMORY] = "no-memory",
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int pending;

struct sent {
    int number;
    char *body;
};

static void
done(void *arg, const struct transport_answer *a)
{
    struct sent *s = arg;
    pthread_mutex_lock(&lock);
    printf("%d\t%s\t%ld\t%lld\t%d\t%s\t%s\t%s\t", s->number, classes[a->what],
           a->status, (long long) a->ms, a->whole, a->remote,
           a->retry_after ? a->retry_after : "",
           a->location ? a->location : "");
    for (size_t i = 0; i < a->body_len; i++)
        printf("%02x", (unsigned char) a->body[i]);
    printf("\t%s\n", a->error);
    fflush(stdout);
    pending--;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
    free(s->body);
    free(s);
}

static void
submit(struct transport *t, char *line, int number)
{
    struct transport_header headers[HEADERS];
    struct transport_request r = { .headers = headers, .done = done };
    struct sent *s = calloc(1, sizeof(*s));
    char *at = line;
    r.method = strsep(&at, "\t");
    r.url = strsep(&at, "\t");
    r.timeout_ms = (uint32_t) atoi(strsep(&at, "\t"));
    s->number = number;
    s->body = strdup(strsep(&at, "\t"));
    r.body = s->body;
    r.len = strlen(s->body);
    r.arg = s;
    while (at && r.header_count < HEADERS) {
        char *name = strsep(&at, "\t"), *value = strstr(name, ": ");
        *value = 0;
        headers[r.header_count++] =
            (struct transport_header){ name, value + 2 };
    }
    pthread_mutex_lock(&lock);
    pending++;
    pthread_mutex_unlock(&lock);
    int err = transport_submit(t, &r);
    if (!err)
        return;
    struct transport_answer none = { .what = TRANSPORT_REQUEST,
                                     .error = strerror(-err),
                                     .remote = "",
                                     .body = "" };
    done(s, &none);
}

static void
read_option(struct transport_options *o, struct address_net *nets, char *arg,
            int *stop, int *grace)
{
    char meant[ADDRESS_NET_TEXT], *value = strchr(arg, '=');
    *value++ = 0;
    if (!strcmp(arg, "concurrency"))
        o->concurrency = (uint32_t) atoi(value);
    else if (!strcmp(arg, "proxy"))
        o->proxy = value;
    else if (!strcmp(arg, "ca_file"))
        o->ca_file = value;
    else if (!strcmp(arg, "cert"))
        o->cert = value;
    else if (!strcmp(arg, "key"))
        o->key = value;
    else if (!strcmp(arg, "no_verify"))
        o->no_verify = atoi(value);
    else if (!strcmp(arg, "private"))
        o->addresses.refuse_private = !atoi(value);
    else if (!strcmp(arg, "allow")
             && !address_net_parse(value, &nets[o->addresses.count], meant))
        o->addresses.count++;
    else if (!strcmp(arg, "stop"))
        *stop = atoi(value);
    else if (!strcmp(arg, "grace"))
        *grace = atoi(value);
    else
        exit(2);
}

int
main(int argc, char **argv)
{
    static char line[1 << 20];
    struct address_net nets[16];
    struct transport_options o = { .concurrency = 4 };
    const char *why;
    int stop = -1, grace = 0, number = 0;
    o.addresses.nets = nets;
    for (int i = 1; i < argc; i++)
        read_option(&o, nets, argv[i], &stop, &grace);
    struct transport *t = transport_new(&o, &why);
    if (!t || transport_start(t)) {
        fprintf(stderr, "%s\n", why);
        return 1;
    }
    while (fgets(line, sizeof(line), stdin)) {
        line[strcspn(line, "\n")] = 0;
        submit(t, line, number++);
    }
    if (stop >= 0) {
        struct timespec ts = { stop / 1000, stop % 1000 * 1000000L };
        nanosleep(&ts, NULL);
    } else {
        pthread_mutex_lock(&lock);
        while (pending)
            pthread_cond_wait(&changed, &lock);
        pthread_mutex_unlock(&lock);
    }
    transport_stop(t, (uint32_t) grace);
    transport_free(t);
    return pending ? 3 : 0;
}
