/* SPDX-License-Identifier: MIT */
/* Who a request comes from, and how many connections each address has. */
#include "private.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- trusted proxies ------------------------------------------------------ */

static int
trusted(const struct http_site *site, const struct ip *ip)
{
    return ip_in(ip, site->trusted, site->trusted_count);
}

/* Of the other end. */
static int
is_proxy(const struct http_conn *conn, const struct http_site *site)
{
    return conn->has_ip ? trusted(site, &conn->ip) : site->trust_unix;
}

/* Each proxy appends whom it got the request from: read from the right, as
 * long as those who wrote are trusted.  0, or -ENOENT: nobody said. */
static int
forwarded_for(const struct il_request *req, struct ip *client)
{
    const struct head *head = &req->head;
    int found = -ENOENT;
    for (size_t i = head->count; i-- > 0;) {
        const struct head_field *f = &head->fields[i];
        const char *value = req->in + f->value;
        size_t len = f->value_len;
        struct ip ip;
        int rc;
        if (strcasecmp(req->in + f->name, "X-Forwarded-For"))
            continue;
        while ((rc = ip_forwarded(value, &len, &ip)) == 1) {
            *client = ip;
            found = 0;
            if (!trusted(http_site_of(req), &ip))
                return 0;
        }
        if (rc < 0) /* what stands left of it is anybody's word */
            return found;
    }
    return found;
}

const char *
http_request_peer(const struct il_request *constant)
{
    /* made when first asked for, which is part of no answer */
    struct il_request *req = (struct il_request *) (uintptr_t) constant;
    const struct http_conn *conn = req->conn;
    struct ip client = conn->ip;
    int known = conn->has_ip;
    if (req->peer[0])
        return req->peer;
    if (is_proxy(conn, http_site_of(req)) && !forwarded_for(req, &client))
        known = 1;
    if (known)
        ip_format(&client, req->peer);
    else
        strcpy(req->peer, "unix");
    return req->peer;
}

/* --- connections per address ---------------------------------------------- */

struct http_peer {
    struct ip ip;
    uint32_t hash, count;
    uint32_t strangers; /* of them; nobody has shown a key there yet */
};

/* What of all connections the strangers of one address may have, and what of
 * them may be silent for more than a moment. */
#define STRANGERS_PART 4
#define SILENT_PART 16

/* Whoever has one IPv6 address has the whole /64. */
static struct ip
shared_part(const struct ip *ip)
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
    struct ip out = *ip;
    if (memcmp(ip->bytes, mapped, sizeof(mapped)))
        memset(out.bytes + 8, 0, 8);
    return out;
}

/* The slot of an address, or the free one where it belongs. */
static uint32_t
peer_seek(const struct http_peers *p, const struct ip *ip, uint32_t hash)
{
    const struct table *t = &p->table;
    uint32_t at = table_seek(t, hash, hash);
    while (t->slots[at].number
           && memcmp(&p->list[t->slots[at].number - 1].ip, ip, sizeof(*ip)))
        at = table_seek(t, hash, at + 1);
    return at;
}

/* NULL: it has no connection. */
static struct http_peer *
peer_find(const struct http_peers *p, const struct ip *ip)
{
    if (!p->count)
        return NULL;
    uint32_t at = peer_seek(p, ip, table_hash(ip, sizeof(*ip)));
    uint32_t n = p->table.slots[at].number;
    return n ? &p->list[n - 1] : NULL;
}

static int
peers_grow(struct http_peers *p)
{
    if (table_room(&p->table, 1))
        return -ENOMEM;
    if (p->count < p->capacity)
        return 0;
    uint32_t capacity = p->capacity ? p->capacity * 2 : 32;
    struct http_peer *list = realloc(p->list, capacity * sizeof(*list));
    if (!list)
        return -ENOMEM;
    p->list = list;
    p->capacity = capacity;
    return 0;
}

/* The last one takes the place of the one in this slot. */
static void
peers_drop(struct http_peers *p, uint32_t at)
{
    uint32_t gone = p->table.slots[at].number;
    const struct http_peer *last = &p->list[p->count - 1];
    p->table.slots[peer_seek(p, &last->ip, last->hash)].number = gone;
    p->list[gone - 1] = *last;
    p->count--;
    table_drop(&p->table, at);
}

/* One connection more; NULL: no memory. */
static struct http_peer *
peers_add(struct http_peers *p, const struct ip *ip)
{
    if (peers_grow(p))
        return NULL;
    uint32_t hash = table_hash(ip, sizeof(*ip)), at = peer_seek(p, ip, hash);
    uint32_t n = p->table.slots[at].number;
    if (!n) {
        p->list[p->count] = (struct http_peer){ .ip = *ip, .hash = hash };
        n = p->count + 1;
        table_take(&p->table, at, hash, p->count++);
    }
    p->list[n - 1].count++;
    return &p->list[n - 1];
}

static void
peer_add(struct http_conn *conn)
{
    struct http_peers *p = &conn->loop->http->peers;
    struct ip ip = shared_part(&conn->ip);
    if (!HTTP_LIMIT(conn->loop->http, max_per_address) || !conn->has_ip
        || conn->is_proxy)
        return;
    pthread_mutex_lock(&p->lock);
    struct http_peer *peer = peers_add(p, &ip);
    if (peer)
        peer->strangers++;
    conn->is_counted = conn->is_stranger = peer != NULL;
    pthread_mutex_unlock(&p->lock);
}

void
http_peer_remove(struct http_conn *conn)
{
    struct http_peers *p = &conn->loop->http->peers;
    struct ip ip = shared_part(&conn->ip);
    if (!conn->is_counted)
        return;
    pthread_mutex_lock(&p->lock);
    uint32_t at = peer_seek(p, &ip, table_hash(&ip, sizeof(ip)));
    struct http_peer *peer = &p->list[p->table.slots[at].number - 1];
    if (conn->is_stranger && peer->strangers)
        peer->strangers--;
    if (!--peer->count)
        peers_drop(p, at);
    pthread_mutex_unlock(&p->lock);
}

void
http_peer_known(struct http_conn *conn)
{
    struct http_peers *p = &conn->loop->http->peers;
    struct ip ip = shared_part(&conn->ip);
    if (!conn->is_stranger)
        return;
    conn->is_stranger = 0;
    pthread_mutex_lock(&p->lock);
    struct http_peer *peer = peer_find(p, &ip);
    if (peer && peer->strangers)
        peer->strangers--;
    pthread_mutex_unlock(&p->lock);
}

static struct http_peer
peer_now(struct http *http, const struct ip *whole)
{
    struct http_peers *p = &http->peers;
    struct http_peer now = { .count = 0 };
    struct ip ip = shared_part(whole);
    pthread_mutex_lock(&p->lock);
    const struct http_peer *peer = peer_find(p, &ip);
    if (peer)
        now = *peer;
    pthread_mutex_unlock(&p->lock);
    return now;
}

static uint32_t
part(const struct http *http, uint32_t n)
{
    uint32_t max = HTTP_LIMIT(http, max_connections);
    return max / n ? max / n : 1;
}

int
http_peer_crowds(const struct http_conn *conn)
{
    struct http *http = conn->loop->http;
    return conn->is_stranger
           && peer_now(http, &conn->ip).strangers > part(http, SILENT_PART);
}

/* NULL, or what there is too much of. */
static const char *
peer_full(struct http *http, const struct ip *ip)
{
    struct http_peer now = peer_now(http, ip);
    if (now.count >= HTTP_LIMIT(http, max_per_address))
        return "max_connections_per_address";
    return now.strangers >= part(http, STRANGERS_PART)
               ? "a quarter of max_connections without a key"
               : NULL;
}

/* At most once a minute. */
static void
tell_refused(struct http *http, const struct ip *ip, const char *what)
{
    char address[IP_TEXT];
    int64_t now = clock_monotonic_us(),
            told = atomic_load(&http->refused_logged_us);
    metric_add(http->refused, 1);
    if (now - told < 60000000
        || !atomic_compare_exchange_strong(&http->refused_logged_us, &told,
                                           now))
        return;
    ip_format(ip, address);
    log_warn("%s: the connections of %s are %s; further ones are closed",
             http->options.name, address, what);
}

int
http_admits(struct http_loop *loop, const struct sockaddr *sa, socklen_t len)
{
    struct http *http = loop->http;
    const char *full;
    struct ip ip;
    if (atomic_load(&http->conn_total) >= HTTP_LIMIT(http, max_connections)) {
        metric_add(http->refused, 1);
        return 0;
    }
    if (!HTTP_LIMIT(http, max_per_address) || len < sizeof(sa->sa_family)
        || ip_of(sa, &ip) || trusted(loop->seat->site, &ip)
        || !(full = peer_full(http, &ip)))
        return 1;
    tell_refused(http, &ip, full);
    return 0;
}

void
http_client_begin(struct http_conn *conn, const struct sockaddr *sa)
{
    conn->has_ip = sa && !ip_of(sa, &conn->ip);
    conn->is_proxy = is_proxy(conn, conn->loop->seat->site);
    peer_add(conn);
}
