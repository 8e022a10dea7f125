/* SPDX-License-Identifier: MIT */
#include "w1.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *const features[10] = {
    "csv.export",  "api.call",    "report.view", "sso.login",  "chart.edit",
    "team.invite", "file.upload", "webhook.send", "search.run", "audit.read"
};
static const char *const plans[4] = { "free", "pro", "team", "enterprise" };
uint32_t w1_users = 100000;
int w1_skewed;
static const char base32[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

#define W1_BEGIN_MS INT64_C(1717200000000) /* 2024-06-01T00:00:00Z */

/* splitmix64 (Steele, Lea, Flood 2014): any number leads to its own stream, so
 * that event n needs no events before it. */
static uint64_t
w1_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static void
w1_base32(char *out, uint64_t v, int digits)
{
    for (int i = digits - 1; i >= 0; i--, v >>= 5)
        out[i] = base32[v & 31];
}

void
w1_make(struct w1 *e, uint64_t number)
{
    uint64_t state = number * UINT64_C(0x2545f4914f6cdd1d) + 20240601;
    int64_t ms = W1_BEGIN_MS + (int64_t) number;
    uint64_t high = w1_random(&state), low = w1_random(&state);
    uint64_t dice = w1_random(&state);
    uint32_t user = (uint32_t) (dice % w1_users);
    time_t second = (time_t) (ms / 1000);
    struct tm tm;

    if (w1_skewed && (dice >> 54) % 10)
        user %= w1_users / 100;
    e->number = number;
    e->time_us = ms * 1000;
    memcpy(e->id, "evt_", 4);
    w1_base32(e->id + 4, (uint64_t) ms, 10);
    w1_base32(e->id + 14, high, 8);
    w1_base32(e->id + 22, low, 8);
    e->id[30] = 0;
    gmtime_r(&second, &tm);
    strftime(e->timestamp, sizeof e->timestamp, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(e->timestamp + 19, sizeof e->timestamp - 19, ".%03dZ",
             (int) (ms % 1000));
    snprintf(e->user_id, sizeof e->user_id, "u_%06u", user);
    snprintf(e->account, sizeof e->account, "acc_%05u", user / 10);
    e->feature = features[(dice >> 32) % 10];
    e->plan = plans[user & 3];
    e->count = 1 + ((dice >> 50) % 16 == 0);
}

size_t
w1_payload(char *out, const struct w1 *e)
{
    return (size_t) snprintf(out, W1_TEXT_MAX,
                             "{\"user_id\":\"%s\",\"feature\":\"%s\","
                             "\"count\":%d,\"plan\":\"%s\"}",
                             e->user_id, e->feature, e->count, e->plan);
}

size_t
w1_json(char *out, const struct w1 *e)
{
    char payload[W1_TEXT_MAX];
    w1_payload(payload, e);
    return (size_t) snprintf(out, W1_TEXT_MAX,
                             "{\"id\":\"%s\",\"type\":\"feature.used\","
                             "\"timestamp\":\"%s\",\"payload\":%s}",
                             e->id, e->timestamp, payload);
}

size_t
w1_sized(char *out, const struct w1 *e, size_t bytes)
{
    uint64_t state = e->number;
    size_t len = (size_t) sprintf(
        out, "{\"id\":\"%08llu\",\"type\":\"feature.used\",\"payload\":{"
             "\"user_id\":\"%s\",\"text\":\"",
        (unsigned long long) e->number, e->user_id);
    while (len + 3 < bytes) {
        uint64_t bits = w1_random(&state);
        for (int i = 0; i < 12 && len + 3 < bytes; i++, bits >>= 5)
            out[len++] = base32[bits & 31];
    }
    memcpy(out + len, "\"}}", 3);
    return len + 3;
}
