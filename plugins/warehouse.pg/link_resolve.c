/* SPDX-License-Identifier: MIT */
/* Looking host names up before libpq does, which would wait for the resolver
 * without a limit and without a way to be interrupted.
 *
 * A thread asks for each name, and is left to itself when there is no answer by
 * the end of connect_timeout, or when the plugin stops.  It touches nothing but
 * its struct lookup, and the plugin's code, which then has to stay mapped.  What
 * still runs when an attempt ends is waited for by the next one, so a resolver
 * that hangs holds one thread for a name and not one more with each attempt; an
 * answer that takes longer than an attempt is of use to a later one.
 *
 * libpq is given addresses beside the names, and then asks nobody; it needs the
 * names for certificates and the password file.  A name without an address is
 * left out, for libpq would look it up again.
 *
 * Who of the two is the last frees a lookup: `state` tells. */
#include "link.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RUNS, ENDED, LEFT };

struct lookup {
    struct lookup *next;
    char *name;
    pthread_t thread;
    int answered;     /* eventfd: becomes readable when it has its answer */
    int joined;       /* the owner's: what follows may be read */
    atomic_int state; /* RUNS, until one of the two has done with it */
    char why[128];    /* "": it has addresses */
    char (*addrs)[NI_MAXHOST];
    size_t count;
};

/* --- the thread's half --------------------------------------------------- */

static void
lookup_free(struct lookup *k)
{
    if (k->answered >= 0)
        close(k->answered);
    free(k->addrs);
    free(k->name);
    free(k);
}

static void
keep_addresses(struct lookup *k, const struct addrinfo *all)
{
    size_t n = 0;
    for (const struct addrinfo *a = all; a; a = a->ai_next)
        n++;
    k->addrs = n ? calloc(n, sizeof *k->addrs) : NULL;
    for (const struct addrinfo *a = all; a && k->addrs; a = a->ai_next)
        if (getnameinfo(a->ai_addr, a->ai_addrlen, k->addrs[k->count],
                        sizeof *k->addrs, NULL, 0, NI_NUMERICHOST)
            == 0)
            k->count++;
    if (!k->count)
        snprintf(k->why, sizeof k->why, "no usable address");
}

static void *
lookup_run(void *arg)
{
    struct lookup *k = arg;
    struct addrinfo hints = { .ai_family = AF_UNSPEC,
                              .ai_socktype = SOCK_STREAM };
    struct addrinfo *all = NULL;
    uint64_t one = 1;
    int err = getaddrinfo(k->name, NULL, &hints, &all);
    if (err)
        snprintf(k->why, sizeof k->why, "%s", gai_strerror(err));
    else {
        keep_addresses(k, all);
        freeaddrinfo(all);
    }
    /* An eventfd that is at 0 takes it. */
    if (write(k->answered, &one, sizeof one) < 0)
        k->count = 0;
    if (atomic_exchange(&k->state, ENDED) == LEFT)
        lookup_free(k);
    return NULL;
}

/* --- the owner's half ---------------------------------------------------- */

static void
lookup_release(struct lookup *k)
{
    pthread_t thread = k->thread;
    if (!k->joined) {
        /* Before it is left: after that it may end, and its code with it. */
        link_stay_mapped();
        if (atomic_exchange(&k->state, LEFT) == RUNS) {
            pthread_detach(thread);
            return;
        }
        pthread_join(thread, NULL);
    }
    lookup_free(k);
}

static struct lookup *
lookup_find(const struct link *l, const char *name)
{
    for (struct lookup *k = l->lookups; k; k = k->next)
        if (strcmp(k->name, name) == 0)
            return k;
    return NULL;
}

/* Begin with a name, if nobody has yet. */
static int
lookup_begin(struct link *l, const char *name)
{
    if (lookup_find(l, name))
        return 0;
    struct lookup *k = calloc(1, sizeof *k);
    if (!k)
        return -ENOMEM;
    k->name = strdup(name);
    k->answered = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!k->name || k->answered < 0
        || pthread_create(&k->thread, NULL, lookup_run, k)) {
        lookup_free(k);
        return -ENOMEM;
    }
    k->next = l->lookups;
    l->lookups = k;
    return 0;
}

static int
is_readable(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    return poll(&p, 1, 0) > 0;
}

/* Take what has been answered.  How many run on. */
static size_t
join_answered(struct link *l)
{
    size_t running = 0;
    for (struct lookup *k = l->lookups; k; k = k->next) {
        if (!k->joined && is_readable(k->answered)) {
            pthread_join(k->thread, NULL);
            k->joined = 1;
        }
        running += !k->joined;
    }
    return running;
}

/* Release those that have ended: all, or those that came to nothing. */
static void
release_ended(struct link *l, int all)
{
    struct lookup **at = &l->lookups;
    join_answered(l);
    while (*at) {
        struct lookup *k = *at;
        if (!k->joined || (!all && k->count)) {
            at = &k->next;
            continue;
        }
        *at = k->next;
        lookup_release(k);
    }
}

void
link_leave_lookups(struct link *l)
{
    while (l->lookups) {
        struct lookup *k = l->lookups;
        l->lookups = k->next;
        lookup_release(k);
    }
}

/* --- the endpoints -------------------------------------------------------  */

static int
is_name(const struct endpoint *p)
{
    struct addrinfo hints = { .ai_flags = AI_NUMERICHOST,
                              .ai_socktype = SOCK_STREAM };
    struct addrinfo *all = NULL;
    /* Addresses, and sockets of either kind. */
    if (*p->addr || !*p->host || *p->host == '/' || *p->host == '@')
        return 0;
    if (getaddrinfo(p->host, NULL, &hints, &all))
        return 1;
    freeaddrinfo(all);
    return 0;
}

/* Is there an endpoint that one can go to by now? */
static int
have_endpoint(const struct link *l, const struct hosts *named)
{
    for (size_t i = 0; i < named->count; i++) {
        const struct lookup *k = lookup_find(l, named->endpoints[i].host);
        if (*named->endpoints[i].addr || !k || (k->joined && k->count))
            return 1;
    }
    return 0;
}

static int
wait_any(const struct link *l, size_t running, int64_t us)
{
    struct pollfd *fds = calloc(running + 1, sizeof *fds);
    nfds_t n = 0;
    if (!fds)
        return -ENOMEM;
    fds[n++] = (struct pollfd){ .fd = l->stop->wake, .events = POLLIN };
    for (const struct lookup *k = l->lookups; k; k = k->next)
        if (!k->joined)
            fds[n++] = (struct pollfd){ .fd = k->answered, .events = POLLIN };
    int64_t ms = us / 1000 + 1;
    poll(fds, n, ms > 60000 ? 60000 : (int) ms);
    free(fds);
    return 0;
}

/* Until all is answered; with an endpoint to go to, half of the time is left for
 * going there. */
static int
wait_answers(struct link *l, const struct hosts *named, int64_t until)
{
    int64_t now = il_monotonic_us(l->host), half = now + (until - now) / 2;
    for (;;) {
        size_t running = join_answered(l);
        int64_t limit = have_endpoint(l, named) ? half : until;
        now = il_monotonic_us(l->host);
        if (atomic_load(&l->stop->now)) {
            fault_set(&l->fault, PG_ACT_RETRY, "stopping");
            return -1;
        }
        if (!running || now >= limit)
            return 0;
        if (wait_any(l, running, limit - now))
            return link_no_memory(l);
    }
}

/* Each endpoint by its addresses. */
static int
take_endpoints(struct link *l, const struct hosts *named)
{
    struct hosts *h = &l->hosts;
    int err = 0;
    for (size_t i = 0; i < named->count && !err; i++) {
        const struct endpoint *p = &named->endpoints[i];
        const struct lookup *k = *p->addr ? NULL : lookup_find(l, p->host);
        if (!k)
            err = hosts_add(h, p->host, p->addr, p->port);
        else if (!k->joined || !k->count)
            snprintf(h->left_out, sizeof h->left_out,
                     "could not translate host name \"%.150s\" to address: %s",
                     p->host, k->joined ? k->why : "no answer in time");
        for (size_t a = 0; k && k->joined && a < k->count && !err; a++)
            err = hosts_add(h, p->host, k->addrs[a], p->port);
    }
    if (err || hosts_order(h))
        return link_no_memory(l);
    if (h->count || !named->count)
        return 0;
    fault_set(&l->fault, PG_ACT_RETRY, "cannot connect to Postgres: %s",
              h->left_out);
    return -1;
}

int
link_resolve(struct link *l, int64_t until_us)
{
    struct hosts named = { 0 };
    int err = 0;
    if (l->hosts.pinned)
        return 0;
    hosts_empty(&l->hosts);
    release_ended(l, 0);
    if (hosts_read(&named, l->connection->string))
        err = link_no_memory(l);
    for (size_t i = 0; i < named.count && !err; i++)
        if (is_name(&named.endpoints[i])
            && lookup_begin(l, named.endpoints[i].host))
            err = link_no_memory(l);
    if (!err)
        err = wait_answers(l, &named, until_us);
    if (!err)
        err = take_endpoints(l, &named);
    release_ended(l, 1);
    hosts_clear(&named);
    if (err)
        l->fault.lost = 1;
    return err;
}
