/* SPDX-License-Identifier: MIT */
/* What is told of tests: for people, as NDJSON, as JUnit's XML. */
#include "test.h"

#include "codec/json_out.h"

#include <string.h>

#define EXPECTED_MOST 44 /* columns; what is wider moves its line */

/* --- for people ------------------------------------------------------------------ */

static int
width_of(const struct test_failure *f, int expected)
{
    int most = expected ? 8 : 0;
    for (size_t i = 0; i < f->count; i++) {
        const struct test_difference *d = &f->differences[i];
        int len = (int) strlen(expected ? d->expected : d->at);
        if (len > most && len <= EXPECTED_MOST)
            most = len;
    }
    return most;
}

/* Side by side; what has several lines goes on under its first. */
static void
put_differences(struct il_text *out, const struct test_failure *f)
{
    const int at = width_of(f, 0), expected = width_of(f, 1);
    if (f->count)
        text_printf(out, "      %-*s  %-*s  got\n", at, "", expected,
                    "expected");
    for (size_t i = 0; i < f->count; i++) {
        const struct test_difference *d = &f->differences[i];
        text_printf(out, "      %-*s  %-*s  ", at, d->at, expected,
                    d->expected);
        for (const char *line = d->got;; line += *line == '\n') {
            size_t len = strcspn(line, "\n");
            text_printf(out, "%.*s\n", (int) len, line);
            line += len;
            if (!*line || !line[1])
                break;
            text_printf(out, "      %-*s  %-*s  ", at, "", expected, "");
        }
    }
}

static void
put_failures(struct il_text *out, const struct test_verdict *v)
{
    for (size_t i = 0; i < v->count; i++) {
        const struct test_failure *f = &v->failures[i];
        text_printf(out, "  %s:%d: %s\n", f->place.file, f->place.line,
                    f->what);
        put_differences(out, f);
    }
}

static void
tell_people(const struct test_report *r, const struct test_verdict *v)
{
    struct il_text text = { 0 };
    if (v->count)
        text_printf(&text, "FAILED  %s\n", v->test->name);
    else if (r->verbose)
        text_printf(&text, "ok      %s (%.3f s)\n", v->test->name,
                    (double) v->took_us / 1e6);
    put_failures(&text, v);
    fputs(text_str(&text), stdout);
    text_clear(&text);
}

/* --- NDJSON ----------------------------------------------------------------------- */

static void
put_failure_json(struct json_out *o, const struct test_failure *f)
{
    json_out_object(o, NULL);
    json_out_str(o, "file", f->place.file);
    json_out_number(o, "line", (uint64_t) f->place.line);
    json_out_str(o, "what", f->what);
    json_out_array(o, "differences");
    for (size_t i = 0; i < f->count; i++) {
        json_out_object(o, NULL);
        json_out_str(o, "at", f->differences[i].at);
        json_out_str(o, "expected", f->differences[i].expected);
        json_out_str(o, "got", f->differences[i].got);
        json_out_end(o);
    }
    json_out_end(o);
    json_out_end(o);
}

static const char *
event_at(const struct test_verdict *v, uint64_t position)
{
    for (size_t i = 0; i < v->test->given_count; i++)
        if (v->result->answers[i].position == position)
            return v->result->answers[i].id;
    return NULL;
}

static void
put_sight(struct json_out *o, const struct test_verdict *v,
          const struct trial_sight *s)
{
    static const char *const names[] = { "sent", "dropped_by", "dead" };
    json_out_object(o, NULL);
    json_out_str(o, "lane", v->result->lanes[s->lane].name);
    json_out_str(o, "event", event_at(v, s->position));
    json_out_str(o, names[s->what],
                 s->what == TRIAL_DELIVERED ? s->text : s->name);
    if (s->what == TRIAL_LETTER)
        json_out_str(o, "message", s->text);
    json_out_end(o);
}

/* What was sent, and what became of the others: lane by lane, as lanes go at the
 * same time. */
static void
put_sights(struct json_out *o, const struct test_verdict *v)
{
    const struct trial_result *r = v->result;
    json_out_array(o, "came");
    for (size_t k = 0; k < r->lane_count; k++)
        for (size_t i = 0; i < r->sight_count; i++)
            if (r->sights[i].lane == k)
                put_sight(o, v, &r->sights[i]);
    json_out_end(o);
}

static void
tell_json(const struct test_report *r, const struct test_verdict *v)
{
    struct il_text text = { 0 };
    struct json_out o;
    json_out_begin(&o, &text);
    json_out_object(&o, NULL);
    json_out_str(&o, "file", r->file);
    json_out_number(&o, "line", (uint64_t) v->test->place.line);
    json_out_str(&o, "test", v->test->name);
    json_out_bool(&o, "passed", !v->count);
    json_out_number(&o, "took_us", (uint64_t) v->took_us);
    json_out_array(&o, "failures");
    for (size_t i = 0; i < v->count; i++)
        put_failure_json(&o, &v->failures[i]);
    json_out_end(&o);
    put_sights(&o, v);
    json_out_end(&o);
    puts(text_str(&text));
    text_clear(&text);
}

/* --- JUnit ------------------------------------------------------------------------ */

/* XML has no way to write most control characters, nor a lone surrogate. */
static void
put_xml(struct il_text *out, const char *text)
{
    for (; *text; text++) {
        const unsigned char c = (unsigned char) *text;
        if (c == '&')
            text_puts(out, "&amp;");
        else if (c == '<')
            text_puts(out, "&lt;");
        else if (c == '>')
            text_puts(out, "&gt;");
        else if (c == '"')
            text_puts(out, "&quot;");
        else if (c == '\n')
            text_puts(out, "&#10;");
        else if (c < 32 || c == 127)
            text_putc(out, '?');
        else if (c == 0xed && (unsigned char) text[1] >= 0xa0 && text[2])
            text_puts(out, "?"), text += 2;
        else
            text_putc(out, *text);
    }
}

static void
put_case(struct test_report *r, const struct test_verdict *v)
{
    struct il_text *out = &r->cases;
    text_puts(out, "    <testcase classname=\"");
    put_xml(out, r->file);
    text_puts(out, "\" name=\"");
    put_xml(out, v->test->name);
    text_printf(out, "\" file=\"");
    put_xml(out, v->test->place.file);
    text_printf(out, "\" line=\"%d\" time=\"%.6f\"", v->test->place.line,
                (double) v->took_us / 1e6);
    if (!v->count) {
        text_puts(out, "/>\n");
        return;
    }
    struct il_text all = { 0 };
    put_failures(&all, v);
    text_puts(out, ">\n      <failure message=\"");
    put_xml(out, v->failures[0].what);
    text_puts(out, "\">");
    put_xml(out, text_str(&all));
    text_puts(out, "</failure>\n    </testcase>\n");
    text_clear(&all);
}

void
command_test_report_file(struct test_report *r)
{
    if (!r->json && r->file_tests)
        printf("%s: %zu of %zu test%s passed\n", r->file,
               r->file_tests - r->file_failures, r->file_tests,
               r->file_tests == 1 ? "" : "s");
    text_puts(&r->suites, "  <testsuite name=\"");
    put_xml(&r->suites, r->file);
    text_printf(&r->suites,
                "\" tests=\"%zu\" failures=\"%zu\" errors=\"0\">\n%s"
                "  </testsuite>\n",
                r->file_tests, r->file_failures, text_str(&r->cases));
    r->cases.len = 0;
    r->file_tests = r->file_failures = 0;
}

void
command_test_report_broken(struct test_report *r)
{
    r->errors++;
    text_puts(&r->suites, "  <testsuite name=\"");
    put_xml(&r->suites, r->file);
    text_puts(&r->suites, "\" tests=\"1\" failures=\"0\" errors=\"1\">\n"
                          "    <testcase classname=\"");
    put_xml(&r->suites, r->file);
    text_puts(&r->suites,
              "\" name=\"(all)\">\n      <error message=\"the file, or its "
              "config, is wrong\"/>\n    </testcase>\n  </testsuite>\n");
}

int
command_test_report_end(struct test_report *r)
{
    int failed = 0;
    if (r->junit) {
        fprintf(r->junit,
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                "<testsuites tests=\"%zu\" failures=\"%zu\" errors=\"%zu\">\n"
                "%s</testsuites>\n",
                r->passed + r->failed + r->errors, r->failed, r->errors,
                text_str(&r->suites));
        failed = ferror(r->junit) != 0;
        failed |= fclose(r->junit) != 0;
        if (failed)
            fputs("ingestlayer test: the file of --junit cannot be written\n",
                  stderr);
    }
    text_clear(&r->suites);
    text_clear(&r->cases);
    return failed;
}

void
command_test_report(struct test_report *r, const struct test_verdict *v)
{
    r->file_tests++;
    r->file_failures += v->count != 0;
    r->passed += !v->count;
    r->failed += v->count != 0;
    if (r->json)
        tell_json(r, v);
    else
        tell_people(r, v);
    put_case(r, v);
}
