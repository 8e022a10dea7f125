/* SPDX-License-Identifier: MIT */
/* HTTP's thread: an epoll loop around exchange.h.  An eventfd wakes it.
 *
 * Mail's threads: libcurl waits within a call for what a server says of a mail's
 * end, so that mails on one thread would wait for each other.  Each thread takes
 * one at a time, and `submitted` wakes it.
 *
 * `lock` guards the queue of what was submitted, and stopping; `placing` the place
 * where requests went last, so that who makes one holds nobody up.  All else is
 * the thread's own from transport_start() on.  A crash leaves nothing: what was
 * under way is sent again. */
#define _GNU_SOURCE /* dladdr(), asprintf() */
#include "transport.h"

#include "base64.h"
#include "exchange.h"
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
#include <unistd.h>

#define EVENTS 64

struct transport {
    struct easy_options options;
    int epoll, wake;
    int global; /* curl_global_init() was called */
    pthread_t *threads;
    uint32_t thread_count;
    pthread_mutex_t lock;
    pthread_cond_t submitted;
    struct exchange *first, *last;     /* lock: requests that wait */
    struct transfer *mail, *last_mail; /* lock: mails that wait */
    int running, stopping;             /* lock */
    struct exchanges exchanges;
    pthread_mutex_t placing;
    struct place place; /* placing: where the last one went */
};

/* --- making and ending it ------------------------------------------------- */

static int
copy_text(struct easy_options *o, size_t i, const char **text)
{
    if (!*text)
        return 0;
    o->texts[i] = strdup(*text);
    *text = o->texts[i];
    return o->texts[i] ? 0 : -ENOMEM;
}

static int
copy_options(struct easy_options *o, const struct transport_options *from)
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

/* Where we say it ourselves: libcurl does so to a tunnel alone. */
static int
take_password(struct easy_options *o)
{
    char *name = NULL, *password = NULL, *both = NULL;
    if (!o->of.proxy)
        return 0;
    CURLU *u = curl_url();
    int n = u ? 0 : -1;
    if (u
        && !curl_url_set(u, CURLUPART_URL, o->of.proxy,
                         CURLU_NON_SUPPORT_SCHEME)
        && !curl_url_get(u, CURLUPART_USER, &name, CURLU_URLDECODE)) {
        curl_url_get(u, CURLUPART_PASSWORD, &password, CURLU_URLDECODE);
        n = asprintf(&both, "%s:%s", name, password ? password : "");
    }
    curl_free(name);
    curl_free(password);
    curl_url_cleanup(u);
    if (n < 0)
        return -ENOMEM;
    if (!both)
        return 0;
    o->proxy_authorization = malloc(BASE64_SIZE((size_t) n));
    if (o->proxy_authorization)
        base64(both, (size_t) n, o->proxy_authorization);
    explicit_bzero(both, (size_t) n);
    free(both);
    return o->proxy_authorization ? 0 : -ENOMEM;
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
    pthread_mutex_init(&t->lock, NULL);
    pthread_mutex_init(&t->placing, NULL);
    pthread_cond_init(&t->submitted, NULL);
    t->global = !curl_global_init(CURL_GLOBAL_DEFAULT);
    if (!t->global || copy_options(&t->options, options)
        || take_password(&t->options)
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
    free(t->threads);
    if (t->epoll >= 0)
        exchanges_close(&t->exchanges);
    place_free(&t->place);
    if (t->epoll >= 0)
        close(t->epoll);
    if (t->wake >= 0)
        close(t->wake);
    for (size_t i = 0; i < EASY_TEXTS; i++) {
        if (t->options.texts[i]) /* a proxy's password, say */
            explicit_bzero(t->options.texts[i], strlen(t->options.texts[i]));
        free(t->options.texts[i]);
    }
    if (t->options.proxy_authorization)
        explicit_bzero(t->options.proxy_authorization,
                       strlen(t->options.proxy_authorization));
    free(t->options.proxy_authorization);
    if (t->global)
        curl_global_cleanup();
    pthread_cond_destroy(&t->submitted);
    pthread_mutex_destroy(&t->placing);
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

/* Those that wait, in their order, and `most` of them, which is not 0. */
static struct exchange *
take_waiting(struct transport *t, uint32_t most)
{
    pthread_mutex_lock(&t->lock);
    struct exchange *first = t->first, **end = &t->first;
    for (; *end && most; most--)
        end = &(*end)->next;
    struct exchange *rest = *end;
    *end = NULL;
    if (!(t->first = rest))
        t->last = NULL;
    pthread_mutex_unlock(&t->lock);
    return first;
}

static void
begin_waiting(struct transport *t)
{
    const uint32_t most = t->options.of.concurrency;
    while (t->exchanges.count < most) {
        struct exchange *x = take_waiting(t, most - t->exchanges.count), *next;
        if (!x)
            return;
        for (; x; x = next) {
            next = x->next;
            exchanges_begin(&t->exchanges, x);
        }
    }
}

/* 1: go on.  0: it is to stop, and nothing is left. */
static int
look_after_stop(struct transport *t, int64_t *until_ms)
{
    struct exchange *x, *next;
    pthread_mutex_lock(&t->lock);
    const int stopping = t->stopping;
    pthread_mutex_unlock(&t->lock);
    *until_ms = stopping ? atomic_load(&t->options.give_up_ms) : -1;
    if (!stopping)
        return 1;
    for (x = take_waiting(t, UINT32_MAX); x; x = next) {
        next = x->next;
        exchange_drop(x, TRANSPORT_CANCELLED);
    }
    if (easy_given_up(&t->options))
        exchanges_give_up(&t->exchanges);
    return t->exchanges.count > 0;
}

static int
wait_for(const struct transport *t, int64_t until_ms)
{
    int64_t at = exchanges_next_ms(&t->exchanges);
    if (until_ms >= 0 && (at < 0 || until_ms < at))
        at = until_ms;
    if (at < 0)
        return -1;
    int64_t wait = at - easy_now_ms();
    return wait < 0 ? 0 : wait > 60000 ? 60000 : (int) wait;
}

static void
serve(struct transport *t, const struct epoll_event *e)
{
    uint64_t n;
    if (e->data.fd != t->wake)
        exchanges_event(&t->exchanges, e->data.fd, e->events);
    else if (read(t->wake, &n, sizeof(n)) < 0)
        return; /* somebody else's wake-up: there is nothing to read */
}

static void *
run(void *arg)
{
    struct transport *t = arg;
    struct epoll_event events[EVENTS];
    int64_t until_ms;
    while (look_after_stop(t, &until_ms)) {
        begin_waiting(t);
        int n = epoll_wait(t->epoll, events, EVENTS, wait_for(t, until_ms));
        /* What has come is taken in before anything is sent: to wake a fast
         * receiver for each request alone costs more than to send it. */
        for (int i = 0; i < n; i++)
            serve(t, &events[i]);
        exchanges_time(&t->exchanges, easy_now_ms());
    }
    return NULL;
}

/* --- mail ----------------------------------------------------------------- */

static struct transfer *
next_mail(struct transport *t)
{
    struct transfer *x = t->mail;
    if (x && !(t->mail = x->next))
        t->last_mail = NULL;
    return x;
}

/* NULL: it is to stop. */
static struct transfer *
await_mail(struct transport *t)
{
    pthread_mutex_lock(&t->lock);
    while (!t->stopping && !t->mail)
        pthread_cond_wait(&t->submitted, &t->lock);
    struct transfer *x = t->stopping ? NULL : next_mail(t);
    pthread_mutex_unlock(&t->lock);
    return x;
}

/* At a stop. */
static struct transfer *
await_none(struct transport *t)
{
    pthread_mutex_lock(&t->lock);
    struct transfer *x = next_mail(t);
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
        if (!transfer_begin(x))
            code = curl_easy_perform(x->easy);
        transfer_end(x, code, code == CURLE_ABORTED_BY_CALLBACK);
        transfer_free(x);
    }
    while ((x = await_none(t))) {
        transfer_end(x, CURLE_OK, 1);
        transfer_free(x);
    }
    return NULL;
}

/* --- start and stop ------------------------------------------------------- */

static int
make_loop(struct transport *t)
{
    struct epoll_event e = { .events = EPOLLIN };
    t->epoll = epoll_create1(EPOLL_CLOEXEC);
    t->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    e.data.fd = t->wake;
    if (t->epoll < 0 || t->wake < 0
        || epoll_ctl(t->epoll, EPOLL_CTL_ADD, t->wake, &e))
        return -errno;
    return exchanges_open(&t->exchanges, &t->options, t->epoll);
}

static void
wake(struct transport *t)
{
    const uint64_t one = 1;
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
    int err = t->epoll >= 0 || is_mail(t) ? 0 : make_loop(t);
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

static int
submit_mail(struct transport *t, const struct transport_request *r)
{
    struct transfer *x;
    int err = transfer_new(&t->options, r, &x);
    if (err)
        return err;
    pthread_mutex_lock(&t->lock);
    err = t->running && !t->stopping ? 0 : -ESHUTDOWN;
    if (!err) {
        *(t->last_mail ? &t->last_mail->next : &t->mail) = x;
        t->last_mail = x;
        pthread_cond_signal(&t->submitted);
    }
    pthread_mutex_unlock(&t->lock);
    if (err)
        transfer_free(x);
    return err;
}

/* Most go where the one before went. */
static int
make_exchange(struct transport *t, const struct transport_request *r,
              struct exchange **out)
{
    int err = 0;
    pthread_mutex_lock(&t->placing);
    if (!t->place.url || strcmp(t->place.url, r->url)) {
        place_free(&t->place);
        err = place_make(&t->options, r->url, &t->place);
    }
    if (!err)
        err = exchange_new(&t->options, r, &t->place, out);
    pthread_mutex_unlock(&t->placing);
    return err;
}

int
transport_submit(struct transport *t, const struct transport_request *r)
{
    struct exchange *x;
    if (is_mail(t))
        return submit_mail(t, r);
    int err = make_exchange(t, r, &x);
    if (err)
        return err;
    pthread_mutex_lock(&t->lock);
    err = t->running && !t->stopping ? 0 : -ESHUTDOWN;
    const int was_empty = !t->first;
    if (!err) {
        *(t->last ? &t->last->next : &t->first) = x;
        t->last = x;
    }
    pthread_mutex_unlock(&t->lock);
    if (err)
        exchange_free(x);
    /* Its own thread looks by itself, and once woken looks at all of them. */
    else if (was_empty && !pthread_equal(pthread_self(), t->threads[0]))
        wake(t);
    return err;
}

void
transport_stop(struct transport *t, uint32_t grace_ms)
{
    pthread_mutex_lock(&t->lock);
    const int running = t->running;
    t->stopping = 1;
    atomic_store(&t->options.give_up_ms, easy_now_ms() + grace_ms);
    pthread_cond_broadcast(&t->submitted);
    pthread_mutex_unlock(&t->lock);
    if (!running)
        return;
    if (!is_mail(t))
        wake(t);
    while (t->thread_count)
        pthread_join(t->threads[--t->thread_count], NULL);
    t->running = 0;
}

/* --- trying it ------------------------------------------------------------- */

static int
probe_http(const struct transport *t, const char *url, uint32_t timeout_ms,
           char *error, size_t size)
{
    char target[TRANSPORT_TARGET_MAX], words[EASY_ERROR_MAX] = "";
    struct easy_call call = { 0 };
    if (transport_target(TRANSPORT_HTTP, url, target))
        return -EINVAL;
    CURL *e = easy_new(&call, &t->options);
    CURLcode code = CURLE_OUT_OF_MEMORY;
    if (e) {
        curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long) timeout_ms);
        code = curl_easy_setopt(e, CURLOPT_URL, url);
    }
    if (!code && (code = curl_easy_perform(e)))
        easy_error(&call, code, easy_class(e, &call, code), url, words);
    else if (code)
        easy_words(TRANSPORT_NO_MEMORY, "", words);
    snprintf(error, size, "%s", words);
    curl_easy_cleanup(e);
    return code ? -ECONNREFUSED : 0;
}

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

static int
probe_mail(const struct transport *t, const char *url, uint32_t timeout_ms,
           char *error, size_t size)
{
    struct probed probed = { error, size, 0 };
    const struct transport_request r = { .url = url,
                                         .from = "",
                                         .to = "",
                                         .timeout_ms = timeout_ms,
                                         .done = on_probed,
                                         .arg = &probed };
    struct transfer *x;
    int err = transfer_new(&t->options, &r, &x);
    if (err)
        return err;
    CURLcode code = CURLE_OUT_OF_MEMORY;
    if (!transfer_begin(x)
        && !curl_easy_setopt(x->easy, CURLOPT_CONNECT_ONLY, 1L))
        code = curl_easy_perform(x->easy);
    if (code)
        transfer_end(x, code, 0);
    transfer_free(x);
    return probed.answered ? -EACCES : code ? -ECONNREFUSED : 0;
}

int
transport_probe(const struct transport *t, const char *url, uint32_t timeout_ms,
                char *error, size_t size)
{
    *error = 0;
    int err =
        (is_mail(t) ? probe_mail : probe_http)(t, url, timeout_ms, error, size);
    if (err && !*error)
        snprintf(error, size, "%s", strerror(-err));
    return err;
}
