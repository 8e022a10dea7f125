/* SPDX-License-Identifier: MIT */
/* The line that tells how far a command is, and that a signal ends it once. */
#include "config.h"

#include "command/progress.h"
#include "command/terminal.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

static const char *
line(const char *unit, uint64_t first, uint64_t done, uint64_t total,
     double seconds, int width)
{
    static struct il_text text;
    struct command_progress p = { .what = "import",
                                  .unit = unit,
                                  .first = first,
                                  .done = done,
                                  .total = total };
    text.len = 0;
    ck_assert_int_eq(command_progress_line(&text, &p, seconds, width), 0);
    return text_str(&text);
}

START_TEST(it_tells_rate_share_and_what_is_left)
{
    static const struct {
        const char *unit;
        uint64_t first, done, total;
        double seconds;
        const char *line;
    } cases[] = {
        { "lines", 0, 0, 0, 0, "import  0 lines" },
        { "lines", 0, 999, 0, 10, "import  999 lines  100/s" },
        { "lines", 0, 1234567, 0, 10, "import  1,234,567 lines  123,457/s" },
        { "lines", 0, 1200, 2400, 60,
          "import  1,200 of 2,400 lines  50 %  20/s  60s left" },
        /* what was done before is no part of the rate */
        { "events", 1000, 1100, 2000, 10,
          "import  1,100 of 2,000 events  55 %  10/s  90s left" },
        { "events", 1000, 1000, 2000, 10,
          "import  1,000 of 2,000 events  50 %" },
        { "bytes", 0, 3 << 20, 6 << 20, 3,
          "import  3.0 MiB of 6.0 MiB  50 %  1.0 MiB/s  3.0s left" },
        { "seconds", 0, 3, 30, 3, "import  3 of 30 seconds  10 %  27s left" },
        /* too soon to know */
        { "lines", 0, 10, 20, 0.1, "import  10 of 20 lines  50 %" },
        /* more than was thought */
        { "lines", 0, 30, 20, 10, "import  30 of 20 lines  3/s" },
        { "lines", 0, 20, 20, 10, "import  20 of 20 lines  100 %  2/s" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        ck_assert_str_eq(line(cases[i].unit, cases[i].first, cases[i].done,
                              cases[i].total, cases[i].seconds, 0),
                         cases[i].line);
}
END_TEST

START_TEST(it_is_no_wider_than_the_terminal)
{
    ck_assert_str_eq(line("lines", 0, 1200, 2400, 60, 20),
                     "import  1,200 of 2,4");
    ck_assert_str_eq(line("lines", 0, 5, 0, 0, 79), "import  5 lines");
}
END_TEST

START_TEST(a_signal_is_heard_once_and_not_afterwards)
{
    struct command_progress p;
    struct sigaction before, now;
    sigaction(SIGTERM, NULL, &before);
    command_progress_begin(&p, "import", "lines", 0, PROGRESS_READS);
    ck_assert_int_eq(command_progress_at(&p, 1), 0);
    raise(SIGINT);
    ck_assert_int_eq(command_progress_at(&p, 2), -EINTR);
    ck_assert(command_progress_interrupted());
    /* the second one does what it always did */
    sigaction(SIGINT, NULL, &now);
    ck_assert(now.sa_handler == SIG_DFL);
    command_progress_end(&p);
    sigaction(SIGTERM, NULL, &now);
    ck_assert(now.sa_handler == before.sa_handler);
    command_progress_begin(&p, "import", "lines", 0, 0);
    ck_assert_int_eq(command_progress_at(&p, 1), 0);
    command_progress_end(&p);
}
END_TEST

START_TEST(a_dumb_terminal_gets_no_line)
{
    setenv("TERM", "dumb", 1);
    ck_assert_int_eq(command_terminal_is(2), 0);
    unsetenv("TERM");
    ck_assert_int_eq(command_terminal_is(2), 0);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("progress");
    TCase *t = tcase_create("progress");
    tcase_add_test(t, it_tells_rate_share_and_what_is_left);
    tcase_add_test(t, it_is_no_wider_than_the_terminal);
    tcase_add_test(t, a_signal_is_heard_once_and_not_afterwards);
    tcase_add_test(t, a_dumb_terminal_gets_no_line);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
