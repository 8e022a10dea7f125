/* SPDX-License-Identifier: MIT */
/* A connection string may name several hosts, and a name may have several
 * addresses.  libpq tries the next one when one refuses, but its asynchronous
 * half has no time limit of its own: a host that is dead, or stopped, without a
 * refusal would be the first at every attempt, and the others would never be
 * tried.  So the next attempt begins behind the one that did not answer.  Only
 * that one is remembered, not the order: names are looked up anew each time,
 * and may have moved. */
#include "hosts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static const char *const keys[HOSTS_KEYS] = { "host", "hostaddr", "port" };

static void
endpoint_clear(struct endpoint *p)
{
    free(p->host);
    free(p->addr);
    free(p->port);
    *p = (struct endpoint){ NULL };
}

static int
endpoint_set(struct endpoint *p, const char *host, const char *addr,
             const char *port)
{
    p->host = strdup(host);
    p->addr = strdup(addr);
    p->port = strdup(port);
    if (p->host && p->addr && p->port)
        return 0;
    endpoint_clear(p);
    return -ENOMEM;
}

void
hosts_empty(struct hosts *h)
{
    for (size_t i = 0; i < h->count; i++)
        endpoint_clear(&h->endpoints[i]);
    free(h->endpoints);
    h->endpoints = NULL;
    h->count = 0;
    for (int i = 0; i < HOSTS_KEYS; i++) {
        free(h->lists[i]);
        h->lists[i] = NULL;
    }
    *h->left_out = 0;
}

void
hosts_clear(struct hosts *h)
{
    hosts_empty(h);
    endpoint_clear(&h->silent);
}

int
hosts_add(struct hosts *h, const char *host, const char *addr, const char *port)
{
    struct endpoint *more =
        realloc(h->endpoints, (h->count + 1) * sizeof *more);
    if (!more)
        return -ENOMEM;
    h->endpoints = more;
    if (endpoint_set(&more[h->count], host, addr, port))
        return -ENOMEM;
    h->count++;
    return 0;
}

/* --- what the connection string says ------------------------------------- */

static size_t
list_count(const char *list)
{
    size_t n = 1;
    for (; (list = strchr(list, ',')) != NULL; list++)
        n++;
    return n;
}

/* A copy of the n-th element; of one value for all, that. */
static char *
list_item(const char *list, size_t n)
{
    if (!list)
        return strdup("");
    for (n = list_count(list) > 1 ? n : 0; n; n--)
        list += strcspn(list, ",") + 1;
    return strndup(list, strcspn(list, ","));
}

static int
read_lists(struct hosts *h, const char *const lists[HOSTS_KEYS])
{
    size_t counts[HOSTS_KEYS] = { 0 };
    for (int i = 0; i < HOSTS_KEYS; i++)
        counts[i] = lists[i] ? list_count(lists[i]) : 0;
    size_t n = counts[0] ? counts[0] : counts[1];
    if ((counts[1] && counts[1] != n) || (counts[2] > 1 && counts[2] != n))
        return 0;
    int err = 0;
    for (size_t i = 0; i < n && !err; i++) {
        char *item[HOSTS_KEYS];
        for (int k = 0; k < HOSTS_KEYS; k++)
            item[k] = list_item(lists[k], i);
        err = item[0] && item[1] && item[2]
                  ? hosts_add(h, item[0], item[1], item[2])
                  : -ENOMEM;
        for (int k = 0; k < HOSTS_KEYS; k++)
            free(item[k]);
    }
    return err;
}

/* PQconninfoParse() knows neither the environment nor service files.  Only a
 * connection does; this one is refused for its sslmode, which libpq looks at
 * when it has read everything and has not yet begun with the first host. */
int
hosts_read(struct hosts *h, const char *connection)
{
    const char *const names[] = { "dbname", "sslmode", NULL };
    const char *const values[] = { connection, "none of them", NULL };
    const char *lists[HOSTS_KEYS] = { NULL };
    PGconn *db = PQconnectStartParams(names, values, 1);
    PQconninfoOption *all = PQconninfo(db);
    int err = all ? 0 : -ENOMEM;
    hosts_empty(h);
    for (const PQconninfoOption *o = all; o && o->keyword; o++)
        for (int i = 0; i < HOSTS_KEYS; i++)
            if (o->val && *o->val && strcmp(o->keyword, keys[i]) == 0)
                lists[i] = o->val;
    if (!err)
        err = read_lists(h, lists);
    PQconninfoFree(all);
    PQfinish(db);
    return err;
}

/* --- what libpq is told -------------------------------------------------- */

static const char *
endpoint_key(const struct endpoint *p, int key)
{
    return key == 0 ? p->host : key == 1 ? p->addr : p->port;
}

/* NULL in *out: nobody has it, which is not the same as an empty value. */
static int
list_join(const struct hosts *h, int key, char **out)
{
    size_t size = 0, used = 0, any = 0;
    for (size_t i = 0; i < h->count; i++) {
        any |= *endpoint_key(&h->endpoints[i], key);
        size += strlen(endpoint_key(&h->endpoints[i], key)) + 1;
    }
    *out = any ? malloc(size) : NULL;
    for (size_t i = 0; i < h->count && *out; i++) {
        const char *item = endpoint_key(&h->endpoints[i], key);
        size_t n = strlen(item);
        memcpy(*out + used, item, n);
        used += n;
        (*out)[used++] = i + 1 < h->count ? ',' : 0;
    }
    return any && !*out ? -ENOMEM : 0;
}

/* libpq writes addresses without a scope. */
static int
same_address(const char *a, const char *b)
{
    size_t n = strcspn(a, "%");
    return n == strcspn(b, "%") && memcmp(a, b, n) == 0;
}

/* Behind which endpoint to go on; count: none is known.  Of a name that has moved
 * it is the last of its addresses, so that the other names have their turn. */
static size_t
find_silent(const struct hosts *h)
{
    const struct endpoint *s = &h->silent;
    size_t found = h->count;
    for (size_t i = 0; s->host && i < h->count; i++) {
        const struct endpoint *p = &h->endpoints[i];
        /* PQhost() is an address where that is all there is of it. */
        const char *host = *p->host ? p->host : p->addr;
        if (strcmp(host, s->host) != 0
            || (*p->port && strcmp(p->port, s->port) != 0))
            continue;
        if (*p->addr && same_address(p->addr, s->addr))
            return i;
        found = i;
    }
    return found;
}

int
hosts_order(struct hosts *h)
{
    size_t at = find_silent(h), n = h->count;
    if (at + 1 < n) {
        struct endpoint *turned = malloc(n * sizeof *turned);
        if (!turned)
            return -ENOMEM;
        for (size_t i = 0; i < n; i++)
            turned[i] = h->endpoints[(at + 1 + i) % n];
        free(h->endpoints);
        h->endpoints = turned;
    }
    for (int i = 0; i < HOSTS_KEYS; i++)
        if (list_join(h, i, &h->lists[i]))
            return -ENOMEM;
    return 0;
}

int
hosts_params(const struct hosts *h, const char *names[], const char *values[])
{
    int n = 0;
    for (int i = 0; i < HOSTS_KEYS; i++) {
        if (!h->lists[i])
            continue;
        names[n] = keys[i];
        values[n++] = h->lists[i];
    }
    return n;
}

/* --- where a connection is ----------------------------------------------- */

void
hosts_silent(struct hosts *h, const PGconn *db)
{
    const char *host = PQhost(db), *addr = PQhostaddr(db), *port = PQport(db);
    endpoint_clear(&h->silent);
    /* Without memory the next attempt has the same order, no more. */
    if (host && port)
        (void) endpoint_set(&h->silent, host, addr ? addr : "", port);
}

int
hosts_pin(struct hosts *h, const PGconn *db)
{
    const char *host = PQhost(db), *port = PQport(db);
    struct sockaddr_storage sa;
    socklen_t len = sizeof sa;
    char addr[NI_MAXHOST] = "";
    hosts_clear(h);
    /* Not PQhostaddr(): it lacks the scope. */
    if (getpeername(PQsocket(db), (struct sockaddr *) &sa, &len) == 0
        && (sa.ss_family == AF_INET || sa.ss_family == AF_INET6)
        && getnameinfo((struct sockaddr *) &sa, len, addr, sizeof addr, NULL, 0,
                       NI_NUMERICHOST))
        *addr = 0;
    h->pinned = 1;
    int err = hosts_add(h, host ? host : "", addr, port ? port : "");
    return err ? err : hosts_order(h);
}
