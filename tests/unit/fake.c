/* SPDX-License-Identifier: MIT */
#include "fake.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int
fake_write(void *self, struct il_batch *b, struct il_ack *ack)
{
    struct fake *f = self;
    pthread_mutex_lock(&f->lock);
    int err = f->write_errors ? f->write_error : 0;
    f->write_errors -= f->write_errors > 0;
    f->writes++;
    if (!err) {
        ck_assert_uint_lt(f->held_count, FAKE_HELD);
        ck_assert_uint_lt(f->held_count,
                          f->plugin.in_flight ? f->plugin.in_flight : 1);
        f->held[f->held_count++] = (struct held){ b, ack };
        pthread_cond_broadcast(&f->changed);
    }
    pthread_mutex_unlock(&f->lock);
    return err;
}

static int
fake_resume(void *self, struct il_position *p)
{
    struct fake *f = self;
    pthread_mutex_lock(&f->lock);
    int err = f->resumes < 8 ? f->resume_errors[f->resumes] : 0;
    f->resumes++;
    f->resume_seen = p->position;
    memcpy(f->resume_spool, p->spool, 16);
    f->resume_set_backs = p->set_backs;
    if (!err && (p->flags & IL_POSITION_REWIND) && !f->stubborn) {
        f->resume_position = p->position;
        f->rewinds++;
    }
    if (!err && f->resume_position)
        p->position = f->resume_position;
    if (!err && f->tells)
        p->there = f->got_count ? f->got[f->got_count - 1] : 0;
    pthread_mutex_unlock(&f->lock);
    return err;
}

static int
fake_flush(void *self, uint32_t deadline_ms)
{
    struct fake *f = self;
    pthread_mutex_lock(&f->lock);
    f->flushes++;
    f->flush_ms = deadline_ms;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
    return 0;
}

void
fake_ok(struct fake *f, struct il_batch *b, struct il_ack *ack)
{
    pthread_mutex_lock(&f->lock);
    for (uint32_t i = 0; i < b->count; i++)
        if (b->events[i].state == BATCH_LIVE) {
            ck_assert_uint_lt(f->got_count, FAKE_MAX);
            f->got[f->got_count++] = b->events[i].position;
        }
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
    lane_settle(ack, IL_OK, NULL);
}

static void *
fake_run(void *arg)
{
    struct fake *f = arg;
    int n = 0;
    pthread_mutex_lock(&f->lock);
    while (!f->quit) {
        uint32_t wanted = f->reverse ? f->plugin.in_flight : 1;
        if (f->held_count < wanted) {
            pthread_cond_wait(&f->changed, &f->lock);
            continue;
        }
        while (f->held_count && !f->quit) {
            uint32_t i = f->reverse ? f->held_count - 1 : 0;
            struct held h = f->held[i];
            f->held_count--;
            memmove(&f->held[i], &f->held[i + 1],
                    (f->held_count - i) * sizeof h);
            void (*act)(struct fake *, struct il_batch *, struct il_ack *,
                        int) = f->act;
            pthread_mutex_unlock(&f->lock);
            if (act)
                act(f, h.batch, h.ack, n++);
            else
                fake_ok(f, h.batch, h.ack);
            pthread_mutex_lock(&f->lock);
        }
    }
    pthread_mutex_unlock(&f->lock);
    return NULL;
}

static void
fake_begin(struct fake *f)
{
    f->quit = 0;
    f->act = NULL;
    f->reverse = f->write_errors = f->writes = f->flushes = f->resumes = 0;
    f->resume_position = 0;
    memset(f->resume_errors, 0, sizeof f->resume_errors);
    ck_assert_int_eq(pthread_create(&f->thread, NULL, fake_run, f), 0);
    f->running = 1;
}

void
fake_open(struct fake *f, uint32_t in_flight)
{
    memset(f, 0, sizeof *f);
    f->plugin = (struct il_plugin){
        IL_PLUGIN_ABI,          .kind = IL_DESTINATION, .threads = IL_PARALLEL,
        .name = "fake",         .write = fake_write,    .flush = fake_flush,
        .in_flight = in_flight,
    };
    f->got = calloc(FAKE_MAX, sizeof *f->got);
    ck_assert_ptr_nonnull(f->got);
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    fake_begin(f);
}

void
fake_resuming(struct fake *f)
{
    f->plugin.resume = fake_resume;
}

void
fake_act(struct fake *f,
         void (*act)(struct fake *, struct il_batch *, struct il_ack *, int n))
{
    pthread_mutex_lock(&f->lock);
    f->act = act;
    pthread_mutex_unlock(&f->lock);
}

void
fake_restart(struct fake *f)
{
    fake_stop(f);
    f->plugin.resume = NULL;
    fake_begin(f);
}

int
fake_writes(struct fake *f)
{
    pthread_mutex_lock(&f->lock);
    int n = f->writes;
    pthread_mutex_unlock(&f->lock);
    return n;
}

void
fake_stop(struct fake *f)
{
    pthread_mutex_lock(&f->lock);
    f->quit = 1;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
    if (f->running)
        pthread_join(f->thread, NULL);
    f->running = 0;
    for (uint32_t i = 0; i < f->held_count; i++)
        lane_settle(f->held[i].ack, IL_RETRY, "stopping");
    f->held_count = 0;
}

void
fake_close(struct fake *f)
{
    fake_stop(f);
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->lock);
    free(f->got);
}

uint32_t
fake_count(struct fake *f)
{
    pthread_mutex_lock(&f->lock);
    uint32_t n = f->got_count;
    pthread_mutex_unlock(&f->lock);
    return n;
}

uint32_t
fake_wait(struct fake *f, uint32_t events)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 20;
    pthread_mutex_lock(&f->lock);
    while (f->got_count < events
           && pthread_cond_timedwait(&f->changed, &f->lock, &until)
                  != ETIMEDOUT)
        ;
    uint32_t n = f->got_count;
    pthread_mutex_unlock(&f->lock);
    return n;
}
