/* SPDX-License-Identifier: MIT */
/* A connection string may name several hosts.  libpq tries the next one when
 * one refuses, but its asynchronous half has no time limit of its own: a host
 * that is dead, or stopped, without a refusal would be the first at every
 * attempt, and the others would never be tried.  So the next attempt begins
 * behind the host that did not answer. */
#include "hosts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const keys[HOSTS_KEYS] = { "host", "hostaddr", "port" };

void
hosts_clear(struct hosts *h)
{
    for (int i = 0; i < HOSTS_KEYS; i++) {
        free(h->lists[i]);
        h->lists[i] = NULL;
    }
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

static size_t
list_count(const char *list)
{
    size_t n = 1;
    for (; (list = strchr(list, ',')) != NULL; list++)
        n++;
    return n;
}

/* The n-th element; *len of it. */
static const char *
list_item(const char *list, size_t n, size_t *len)
{
    for (; n; n--)
        list += strcspn(list, ",") + 1;
    *len = strcspn(list, ",");
    return list;
}

static int
item_is(const char *list, size_t n, const char *text)
{
    size_t len;
    const char *item = list_item(list, n, &len);
    return strlen(text) == len && memcmp(item, text, len) == 0;
}

/* The same list with the n-th first; one value for all stays as it is. */
static char *
list_turn(const char *list, size_t n)
{
    size_t len;
    const char *first = list_item(list, list_count(list) > 1 ? n : 0, &len);
    if (first == list)
        return strdup(list);
    size_t size = strlen(list) + 1;
    char *out = malloc(size);
    if (out)
        snprintf(out, size, "%s,%.*s", first, (int) (first - list - 1), list);
    return out;
}

/* Which of the hosts libpq is at.  PQhost() is an address where that is all
 * there is of it. */
static size_t
place(const PGconn *db, char *const lists[HOSTS_KEYS], size_t count)
{
    const char *host = PQhost(db), *port = PQport(db);
    for (size_t i = 0; i < count && host && port; i++) {
        int here = (lists[0] && item_is(lists[0], i, host))
                   || (lists[1] && item_is(lists[1], i, host));
        if (here
            && (!lists[2] || list_count(lists[2]) == 1
                || item_is(lists[2], i, port)))
            return i;
    }
    return 0;
}

void
hosts_turn(struct hosts *h, PGconn *db)
{
    char *lists[HOSTS_KEYS] = { NULL };
    size_t count = 1;
    PQconninfoOption *all = PQconninfo(db);
    for (const PQconninfoOption *o = all; o && o->keyword; o++)
        for (int i = 0; i < HOSTS_KEYS; i++)
            if (o->val && *o->val && strcmp(o->keyword, keys[i]) == 0)
                lists[i] = o->val;
    for (int i = 0; i < 2; i++)
        if (lists[i] && list_count(lists[i]) > count)
            count = list_count(lists[i]);
    if (count > 1) {
        size_t next = (place(db, lists, count) + 1) % count;
        hosts_clear(h);
        for (int i = 0; i < HOSTS_KEYS; i++)
            if (lists[i])
                h->lists[i] = list_turn(lists[i], next);
        /* Half of it would mix them up. */
        for (int i = 0; i < HOSTS_KEYS; i++)
            if (lists[i] && !h->lists[i])
                count = 0;
        if (!count)
            hosts_clear(h);
    }
    PQconninfoFree(all);
}
