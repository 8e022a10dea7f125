/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "enter.h"

#include "instance.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

/* Enough for the handler below and what a processor saves of itself. */
#define HANDLER_STACK (64u * 1024)

/* What one thread is in.  Written by that thread alone, but for its place in
 * the list; others read since_us last: whatever they have seen before, it is
 * not older. */
struct call {
    struct call *next, **link;            /* calls_lock */
    int listed;                           /* nobody else looks at it */
    _Atomic(const struct il_host *) host; /* NULL: in no plugin */
    _Atomic(const char *) callback;
    _Atomic int64_t since_us;
    void *stack; /* for signals */
};

static _Thread_local struct call mine;

/* Protects the list of all threads that were ever in a plugin and still run,
 * and the instances that they are in from being freed. */
static pthread_mutex_t calls_lock = PTHREAD_MUTEX_INITIALIZER;
static struct call *calls;
static pthread_key_t calls_key;
static pthread_once_t calls_once = PTHREAD_ONCE_INIT;

static atomic_int guarded; /* plugin_guard() was called */
static atomic_int ended;

/* --- entering and leaving ------------------------------------------------ */

/* A thread ends. */
static void
call_remove(void *arg)
{
    struct call *c = arg;
    pthread_mutex_lock(&calls_lock);
    *c->link = c->next;
    if (c->next)
        c->next->link = c->link;
    pthread_mutex_unlock(&calls_lock);
    if (c->stack) {
        sigaltstack(&(stack_t){ .ss_flags = SS_DISABLE }, NULL);
        free(c->stack);
    }
    c->listed = 0;
}

static void
make_key(void)
{
    pthread_key_create(&calls_key, call_remove);
}

/* A stack that has run over is a crash, too: its signal needs another. */
static void
make_stack(struct call *c)
{
    if (!atomic_load(&guarded) || !(c->stack = malloc(HANDLER_STACK)))
        return;
    const stack_t stack = { .ss_sp = c->stack, .ss_size = HANDLER_STACK };
    sigaltstack(&stack, NULL);
}

static void
call_add(struct call *c)
{
    pthread_once(&calls_once, make_key);
    make_stack(c);
    pthread_mutex_lock(&calls_lock);
    c->next = calls;
    c->link = &calls;
    if (calls)
        calls->link = &c->next;
    calls = c;
    pthread_mutex_unlock(&calls_lock);
    pthread_setspecific(calls_key, c);
    c->listed = 1;
}

/* To some milliseconds, which is enough for what is said in seconds, and costs
 * less. */
static int64_t
coarse_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return (int64_t) t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void
call_set(struct call *c, struct instance_was now)
{
    atomic_store_explicit(&c->since_us, now.since_us, memory_order_release);
    atomic_store_explicit(&c->callback, now.callback, memory_order_release);
    atomic_store_explicit(&c->host, now.host, memory_order_release);
}

struct instance_was
instance_enter(const struct il_host *h, const char *callback)
{
    struct call *c = &mine;
    struct instance_was was = { .host = NULL };
    if (!c->listed)
        call_add(c);
    was.host = atomic_load_explicit(&c->host, memory_order_relaxed);
    if (was.host) {
        was.callback = atomic_load_explicit(&c->callback, memory_order_relaxed);
        was.since_us = atomic_load_explicit(&c->since_us, memory_order_relaxed);
    }
    call_set(c, (struct instance_was){ h, callback, coarse_us() });
    return was;
}

void
instance_leave(struct instance_was was)
{
    if (was.host)
        call_set(&mine, was);
    else
        atomic_store_explicit(&mine.host, NULL, memory_order_release);
}

/* --- looking at it ------------------------------------------------------- */

const struct il_host *
instance_current(const char **callback)
{
    const struct il_host *h =
        atomic_load_explicit(&mine.host, memory_order_relaxed);
    *callback =
        h ? atomic_load_explicit(&mine.callback, memory_order_relaxed) : NULL;
    return h;
}

int
instance_each_call(int (*fn)(void *arg, const struct il_host *,
                             const char *callback, int64_t us),
                   void *arg)
{
    int result = 0;
    pthread_mutex_lock(&calls_lock);
    for (struct call *c = calls; c && !result; c = c->next) {
        const struct il_host *h =
            atomic_load_explicit(&c->host, memory_order_acquire);
        const char *callback =
            atomic_load_explicit(&c->callback, memory_order_acquire);
        int64_t us = coarse_us()
                     - atomic_load_explicit(&c->since_us, memory_order_acquire);
        if (h)
            result = fn(arg, h, callback, us > 0 ? us : 1);
    }
    pthread_mutex_unlock(&calls_lock);
    return result;
}

struct longest {
    const struct il_host *host;
    const char *callback;
    int64_t us;
};

static int
longer(void *arg, const struct il_host *h, const char *callback, int64_t us)
{
    struct longest *l = arg;
    if (h == l->host && us > l->us) {
        l->us = us;
        l->callback = callback;
    }
    return 0;
}

int64_t
instance_busy_us(const struct il_host *h, const char **callback)
{
    struct longest l = { .host = h };
    instance_each_call(longer, &l);
    *callback = l.callback;
    return l.us;
}

void
instance_unseen(void)
{
    pthread_mutex_lock(&calls_lock);
    pthread_mutex_unlock(&calls_lock);
}

/* --- exits and crashes --------------------------------------------------- */

/* A line put together and written without a lock and without memory, since it
 * is not known who holds the one and what has become of the other. */
struct line {
    char text[1024];
    size_t len;
};

static void
line_put(struct line *l, const char *text)
{
    for (; *text && l->len < sizeof(l->text) - 1; text++)
        l->text[l->len++] = *text;
}

static void
line_write(struct line *l)
{
    l->text[l->len++] = '\n';
    ssize_t n = write(STDERR_FILENO, l->text, l->len);
    (void) n;
}

/* " in write() of INSTANCE", or where no call is under way. */
static void
line_put_call(struct line *l)
{
    const struct il_host *h = atomic_load(&mine.host);
    char name[17] = "";
    if (h) {
        line_put(l, " in ");
        line_put(l, atomic_load(&mine.callback));
        line_put(l, " of ");
        line_put(l, h->instance);
        return;
    }
    prctl(PR_GET_NAME, name);
    line_put(l, " in no call of a plugin, in the thread \"");
    line_put(l, name);
    line_put(l, "\"");
}

static void
at_exit(void)
{
    struct line l = { .len = 0 };
    if (atomic_load(&ended))
        return;
    line_put(&l, "ingestlayer: exit() was called");
    line_put_call(&l);
    line_put(&l, ", which no plugin may do; leaving with 1; what is not "
                 "delivered will be after the next start");
    line_write(&l);
    _exit(1);
}

/* Sanitizers say more of a crash than this does. */
#ifndef IL_SANITIZED
static const struct {
    int number;
    const char *name;
} fatal[] = { { SIGSEGV, "SIGSEGV" },
              { SIGBUS, "SIGBUS" },
              { SIGFPE, "SIGFPE" },
              { SIGILL, "SIGILL" },
              { SIGABRT, "SIGABRT" } };

/* The default holds again (SA_RESETHAND): whoever caused the signal does so
 * again when this returns; one that was sent has to be sent again. */
static void
at_signal(int number, siginfo_t *info, void *context)
{
    struct line l = { .len = 0 };
    (void) context;
    line_put(&l, "ingestlayer: fatal signal ");
    for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
        if (fatal[i].number == number)
            line_put(&l, fatal[i].name);
    line_put_call(&l);
    line_write(&l);
    if (info->si_code <= 0)
        raise(number);
}

static void
guard_signals(void)
{
    struct sigaction act = { .sa_sigaction = at_signal,
                             .sa_flags =
                                 SA_SIGINFO | SA_ONSTACK | (int) SA_RESETHAND };
    for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
        sigaction(fatal[i].number, &act, NULL);
}
#endif

void
plugin_guard(void)
{
    atomic_store(&guarded, 1);
    atexit(at_exit);
#ifndef IL_SANITIZED
    guard_signals();
#endif
}

void
plugin_guard_end(void)
{
    atomic_store(&ended, 1);
}
