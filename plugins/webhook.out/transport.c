/* SPDX-License-Identifier: MIT */
/* HTTP's thread: an epoll loop around libcurl's multi handle.  An eventfd wakes
 * it.
 *
 * Mail's threads: libcurl waits within a call for what a server says of a mail's
 * end, so that mails on one thread would wait for each other.  Each thread takes
 * one at a time, and `submitted` wakes it.
 *
 * `lock` guards the queue of what was submitted, and stopping; all else is the
 * thread's own from transport_start() on.  A crash leaves nothing: what was under
 * way is sent again. */
#define _GNU_SOURCE /* dladdr() */
#include "transport.h"

#include "transfer.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define EVENTS 64

struct queue {
    struct transfer *first, *last;
};

struct transport {
    struct transfer_options options;
    CURLM *multi;
    int epoll, wake;
    int global; /* curl_global_init() was called */
    pthread_t *threads;
    uint32_t thread_count;
    pthread_mutex_t lock;
    pthread_cond_t submitted;
    struct queue waiting;    /* lock */
    int running, stopping;   /* lock */
    struct transfer *active; /* begun; a list by next and prev */
    uint32_t active_count;
    CURL **spare; /* easy handles for transfers to come, at most concurrency */
    uint32_t spare_count;
    int64_t timer_ms; /* when libcurl wants to be called; -1: never */
};

static void
push(struct queue *q, struct transfer *t)
{
    t->next = NULL;
    *(q->last ? &q->last->next : &q->first) = t;
    q->last = t;
}

static struct transfer *
pop(struct queue *q)
{
    struct transfer *t = q->first;
    if (t && !(q->first = t->next))
        q->last = NULL;
    return t;
}

/* --- libcurl's callbacks -------------------------------------------------- */

static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
    struct transport *t = arg;
    struct epoll_event e = { .data.fd = fd };
    (void) easy;
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(t->epoll, EPOLL_CTL_DEL, fd, NULL);
        return 0;
    }
    e.events = (what & CURL_POLL_IN ? EPOLLIN : 0u)
               | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
    int rc = epoll_ctl(t->epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &e);
    if (rc && errno == EEXIST)
        rc = epoll_ctl(t->epoll, EPOLL_CTL_MOD, fd, &e);
    if (rc && errno == ENOENT)
        rc = epoll_ctl(t->epoll, EPOLL_CTL_ADD, fd, &e);
    curl_multi_assign(t->multi, fd, t);
    return rc ? -1 : 0;
}

static int
on_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct transport *t = arg;
    (void) multi;
    t->timer_ms = timeout_ms < 0 ? -1 : transfer_now_ms() + timeout_ms;
    return 0;
}

/* --- making and ending it ------------------------------------------------- */

static int
copy_text(struct transfer_options *o, size_t i, const char **text)
{
    if (!*text)
        return 0;
    o->texts[i] = strdup(*text);
    *text = o->texts[i];
    return o->texts[i] ? 0 : -ENOMEM;
}

static int
copy_options(struct transfer_options *o, const struct transport_options *from)
{
    o->of = *from;
    return copy_text(o, 0, &o->of.proxy) || copy_text(o, 1, &o->of.ca_file)
                   || copy_text(o, 2, &o->of.cert)
                   || copy_text(o, 3, &o->of.key)
                   || copy_text(o, 4, &o->of.username)
                   || copy_text(o, 5, &o->of.password)
               ? -ENOMEM
               : 0;
}

static int
is_mail(const struct transport *t)
{
    return t->options.of.speech == TRANSPORT_MAIL;
}

static const char *
lacks(int mail)
{
    const curl_version_info_data *v = curl_version_info(CURLVERSION_NOW);
    const char *const *p = v->protocols;
    while (mail && *p && strcmp(*p, "smtp"))
        p++;
    if (!*p)
        return "libcurl was built without SMTP";
    if (!(v->features & CURL_VERSION_SSL))
        return "libcurl was built without TLS";
    if (!(v->features & CURL_VERSION_ASYNCHDNS))
        return "libcurl was built to wait for name servers";
    return NULL;
}

struct transport *
transport_new(const struct transport_options *options, const char **why)
{
    struct transport *t = calloc(1, sizeof(*t));
    *why = "no memory";
    if (!t)
        return NULL;
    t->epoll = t->wake = -1;
    t->timer_ms = -1;
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->submitted, NULL);
    t->global = !curl_global_init(CURL_GLOBAL_DEFAULT);
    if (!t->global || copy_options(&t->options, options)
        || !(t->spare = calloc(options->concurrency, sizeof(*t->spare)))
        || !(t->threads = calloc(options->concurrency, sizeof(*t->threads))))
        goto fail;
    if ((*why = lacks(is_mail(t))))
        goto fail;
    return t;
fail:
    transport_free(t);
    return NULL;
}

void
transport_free(struct transport *t)
{
    if (!t)
        return;
    while (t->spare_count)
        curl_easy_cleanup(t->spare[--t->spare_count]);
    free(t->spare);
    free(t->threads);
    if (t->multi)
        curl_multi_cleanup(t->multi);
    if (t->epoll >= 0)
        close(t->epoll);
    if (t->wake >= 0)
        close(t->wake);
    for (size_t i = 0; i < TRANSFER_TEXTS; i++) {
        if (t->options.texts[i]) /* a proxy's password, say */
            explicit_bzero(t->options.texts[i], strlen(t->options.texts[i]));
        free(t->options.texts[i]);
    }
    if (t->global)
        curl_global_cleanup();
    pthread_cond_destroy(&t->submitted);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

/* A thread that looks a name up is left to itself where there is no time to
 * wait for it, and goes on in libcurl's code when the answer comes. */
static void
keep_mapped(void)
{
    Dl_info info;
    if (dladdr((void *) (uintptr_t) curl_easy_init, &info) && info.dli_fname)
        dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
}

/* --- the loop ------------------------------------------------------------- */

static void
activate(struct transport *t, struct transfer *x)
{
    x->prev = NULL;
    x->next = t->active;
    if (x->next)
        x->next->prev = x;
    t->active = x;
    t->active_count++;
}

static void
end_active(struct transport *t, struct transfer *x, CURLcode code,
           int cancelled)
{
    curl_multi_remove_handle(t->multi, x->easy);
    *(x->prev ? &x->prev->next : &t->active) = x->next;
    if (x->next)
        x->next->prev = x->prev;
    t->active_count--;
    transfer_end(x, code, cancelled);
    CURL *spare = cancelled || t->spare_count == t->options.of.concurrency
                      ? NULL
                      : transfer_spare(x, code);
    if (spare)
        t->spare[t->spare_count++] = spare;
    transfer_free(x);
}

static void
end_waiting(struct transfer *x, CURLcode code, int cancelled)
{
    transfer_end(x, code, cancelled);
    transfer_free(x);
}

static struct transfer *
next_waiting(struct transport *t)
{
    pthread_mutex_lock(&t->lock);
    struct transfer *x = pop(&t->waiting);
    pthread_mutex_unlock(&t->lock);
    return x;
}

static void
begin_waiting(struct transport *t)
{
    struct transfer *x;
    while (t->active_count < t->options.of.concurrency
           && (x = next_waiting(t))) {
        if (transfer_begin(x,
                           t->spare_count ? t->spare[--t->spare_count] : NULL)
            || curl_multi_add_handle(t->multi, x->easy))
            end_waiting(x, CURLE_OUT_OF_MEMORY, 0);
        else
            activate(t, x);
    }
}

static void
take_ended(struct transport *t)
{
    CURLMsg *m;
    int left;
    while ((m = curl_multi_info_read(t->multi, &left))) {
        char *x = NULL;
        CURLcode code = m->data.result;
        if (m->msg == CURLMSG_DONE
            && !curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &x) && x)
            end_active(t, (struct transfer *) (void *) x, code, 0);
    }
}

/* 1: go on.  0: it is to stop, and nothing is left. */
static int
look_after_stop(struct transport *t, int64_t *until_ms)
{
    struct transfer *x;
    pthread_mutex_lock(&t->lock);
    const int stopping = t->stopping;
    pthread_mutex_unlock(&t->lock);
    *until_ms = stopping ? atomic_load(&t->options.give_up_ms) : -1;
    if (!stopping)
        return 1;
    while ((x = next_waiting(t)))
        end_waiting(x, CURLE_OK, 1);
    if (transfer_given_up(&t->options))
        while (t->active)
            end_active(t, t->active, CURLE_OK, 1);
    return t->active_count > 0;
}

static int
wait_for(const struct transport *t, int64_t until_ms)
{
    int64_t at = t->timer_ms;
    if (until_ms >= 0 && (at < 0 || until_ms < at))
        at = until_ms;
    if (at < 0)
        return -1;
    int64_t wait = at - transfer_now_ms();
    return wait < 0 ? 0 : wait > 60000 ? 60000 : (int) wait;
}

static void
serve_socket(struct transport *t, const struct epoll_event *e)
{
    uint64_t n;
    int running;
    if (e->data.fd == t->wake) {
        if (read(t->wake, &n, sizeof(n)) < 0)
            return; /* somebody else's wake-up: there is nothing to read */
        return;
    }
    curl_multi_socket_action(
        t->multi, e->data.fd,
        (e->events & EPOLLIN ? CURL_CSELECT_IN : 0)
            | (e->events & EPOLLOUT ? CURL_CSELECT_OUT : 0)
            | (e->events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0),
        &running);
}

static void *
run(void *arg)
{
    struct transport *t = arg;
    struct epoll_event events[EVENTS];
    int64_t until_ms;
    int running;
    while (look_after_stop(t, &until_ms)) {
        begin_waiting(t);
        int n = epoll_wait(t->epoll, events, EVENTS, wait_for(t, until_ms));
        for (int i = 0; i < n; i++)
            serve_socket(t, &events[i]);
        if (t->timer_ms >= 0 && transfer_now_ms() >= t->timer_ms) {
            t->timer_ms = -1;
            curl_multi_socket_action(t->multi, CURL_SOCKET_TIMEOUT, 0,
                                     &running);
        }
        take_ended(t);
    }
    return NULL;
}

/* --- mail ----------------------------------------------------------------- */

/* NULL: it is to stop. */
static struct transfer *
await_mail(struct transport *t)
{
    pthread_mutex_lock(&t->lock);
    while (!t->stopping && !t->waiting.first)
        pthread_cond_wait(&t->submitted, &t->lock);
    struct transfer *x = t->stopping ? NULL : pop(&t->waiting);
    pthread_mutex_unlock(&t->lock);
    return x;
}

static void *
run_mail(void *arg)
{
    struct transport *t = arg;
    struct transfer *x;
    while ((x = await_mail(t))) {
        CURLcode code = CURLE_OUT_OF_MEMORY;
        if (!transfer_begin(x, NULL))
            code = curl_easy_perform(x->easy);
        transfer_end(x, code, code == CURLE_ABORTED_BY_CALLBACK);
        transfer_free(x);
    }
    /* What was not begun. */
    while ((x = next_waiting(t)))
        end_waiting(x, CURLE_OK, 1);
    return NULL;
}

/* --- start and stop ------------------------------------------------------- */

static int
make_multi(struct transport *t)
{
    struct epoll_event e = { .events = EPOLLIN };
    t->epoll = epoll_create1(EPOLL_CLOEXEC);
    t->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    e.data.fd = t->wake;
    if (t->epoll < 0 || t->wake < 0
        || epoll_ctl(t->epoll, EPOLL_CTL_ADD, t->wake, &e))
        return -errno;
    if (!(t->multi = curl_multi_init()))
        return -ENOMEM;
    curl_multi_setopt(t->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(t->multi, CURLMOPT_SOCKETDATA, t);
    curl_multi_setopt(t->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(t->multi, CURLMOPT_TIMERDATA, t);
    curl_multi_setopt(
        t->multi, CURLMOPT_PIPELINING,
        (long) (t->options.of.http2 ? CURLPIPE_MULTIPLEX : CURLPIPE_NOTHING));
    curl_multi_setopt(t->multi, CURLMOPT_MAXCONNECTS,
                      (long) t->options.of.concurrency);
    return 0;
}

static void
wake(struct transport *t, int all)
{
    const uint64_t one = 1;
    if (is_mail(t))
        (all ? pthread_cond_broadcast : pthread_cond_signal)(&t->submitted);
    else
        while (write(t->wake, &one, sizeof(one)) < 0 && errno == EINTR)
            ;
}

static int
make_threads(struct transport *t)
{
    const uint32_t count = is_mail(t) ? t->options.of.concurrency : 1;
    int err = 0;
    while (!err && t->thread_count < count) {
        err = -pthread_create(&t->threads[t->thread_count], NULL,
                              is_mail(t) ? run_mail : run, t);
        t->thread_count += !err;
    }
    return err;
}

int
transport_start(struct transport *t)
{
    sigset_t all, before;
    int err = t->multi || is_mail(t) ? 0 : make_multi(t);
    if (err)
        return err;
    keep_mapped();
    t->running = 1;
    t->stopping = 0;
    atomic_store(&t->options.give_up_ms, 0);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    err = make_threads(t);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (err)
        transport_stop(t, 0);
    return err;
}

int
transport_submit(struct transport *t, const struct transport_request *r)
{
    struct transfer *x;
    int err = transfer_new(&t->options, r, &x);
    if (err)
        return err;
    pthread_mutex_lock(&t->lock);
    if (t->running && !t->stopping)
        push(&t->waiting, x);
    else
        err = -ESHUTDOWN;
    pthread_mutex_unlock(&t->lock);
    if (err)
        transfer_free(x);
    else if (is_mail(t) || !pthread_equal(pthread_self(), t->threads[0]))
        wake(t, 0); /* HTTP's own thread looks by itself */
    return err;
}

void
transport_stop(struct transport *t, uint32_t grace_ms)
{
    pthread_mutex_lock(&t->lock);
    const int running = t->running;
    t->stopping = 1;
    atomic_store(&t->options.give_up_ms, transfer_now_ms() + grace_ms);
    pthread_mutex_unlock(&t->lock);
    if (!running)
        return;
    wake(t, 1);
    while (t->thread_count)
        pthread_join(t->threads[--t->thread_count], NULL);
    t->running = 0;
}

/* --- trying it ------------------------------------------------------------- */

struct probed {
    char *error;
    size_t size;
    int answered; /* and did not let us in */
};

static void
on_probed(void *arg, const struct transport_answer *a)
{
    struct probed *p = arg;
    p->answered = a->what == TRANSPORT_ANSWERED;
    if (p->answered)
        snprintf(p->error, p->size, "SMTP, at %s: %.*s",
                 transport_stage_word(a->stage), (int) a->body_len, a->body);
    else
        snprintf(p->error, p->size, "%s", a->error);
}

int
transport_probe(const struct transport *t, const char *url, uint32_t timeout_ms,
                char *error, size_t size)
{
    struct probed probed = { error, size, 0 };
    const struct transport_request r = { .method = "GET",
                                         .url = url,
                                         .from = "",
                                         .to = "",
                                         .timeout_ms = timeout_ms,
                                         .done = on_probed,
                                         .arg = &probed };
    struct transfer *x;
    int err = transfer_new(&t->options, &r, &x);
    snprintf(error, size, "%s", err ? strerror(-err) : "");
    if (err)
        return err;
    CURLcode code = CURLE_OUT_OF_MEMORY;
    if (!transfer_begin(x, NULL)
        && !curl_easy_setopt(x->easy, CURLOPT_CONNECT_ONLY, 1L))
        code = curl_easy_perform(x->easy);
    if (code)
        transfer_end(x, code, 0);
    transfer_free(x);
    return probed.answered ? -EACCES : code ? -ECONNREFUSED : 0;
}
