/* SPDX-License-Identifier: MIT */
/* Amounts as short as a column wants them; powers of 1024 for bytes, of 1000 else. */
#include "show.h"

#include <inttypes.h>
#include <stdio.h>

const char *
command_show_bytes(char out[16], uint64_t bytes)
{
    static const char units[] = "BKMGTPE";
    double n = (double) bytes;
    size_t unit = 0;
    while (n >= 1000 && unit + 2 < sizeof(units)) {
        n /= 1024;
        unit++;
    }
    if (unit == 0)
        snprintf(out, 16, "%" PRIu64 " B", bytes);
    else
        snprintf(out, 16, n < 10 ? "%.1f %ciB" : "%.0f %ciB", n, units[unit]);
    return out;
}

const char *
command_show_count(char out[48], uint64_t n, const char *noun)
{
    snprintf(out, 48, "%" PRIu64 " %s%s", n, noun, n == 1 ? "" : "s");
    return out;
}

const char *
command_show_seconds(char out[16], double s)
{
    if (s <= 0)
        snprintf(out, 16, "-");
    else if (s < 10)
        snprintf(out, 16, "%.1fs", s);
    else if (s < 120)
        snprintf(out, 16, "%.0fs", s);
    else if (s < 7200)
        snprintf(out, 16, "%.0fm", s / 60);
    else if (s < 172800)
        snprintf(out, 16, "%.0fh", s / 3600);
    else
        snprintf(out, 16, "%.0fd", s / 86400);
    return out;
}

const char *
command_show_until(char out[16], int64_t at_us, int64_t now_us)
{
    return at_us <= now_us
               ? "now"
               : command_show_seconds(out, (double) (at_us - now_us) / 1e6);
}

const char *
command_show_rate(char out[16], double n)
{
    if (n < 0)
        snprintf(out, 16, "-");
    else if (n > 0 && n < 9.95)
        snprintf(out, 16, "%.1f", n);
    else if (n < 99999.5)
        snprintf(out, 16, "%.0f", n);
    else if (n < 9999500)
        snprintf(out, 16, "%.0fk", n / 1000);
    else
        snprintf(out, 16, "%.0fM", n / 1e6);
    return out;
}

const char *
command_show_number(char out[16], uint64_t n)
{
    if (n < 1000000)
        snprintf(out, 16, "%" PRIu64, n);
    else if (n < 1000000000)
        snprintf(out, 16, "%.1fM", (double) n / 1e6);
    else
        snprintf(out, 16, "%.1fG", (double) n / 1e9);
    return out;
}
