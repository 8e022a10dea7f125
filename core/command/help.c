/* SPDX-License-Identifier: MIT */
/* One table of options a command: getopt's tables and --help are made of it. */
#include "private.h"

#include <getopt.h>
#include <string.h>

enum { OPTIONS_MAX = 24, WIDTH = 79 };

/* "  -c, --config FILE", and how wide that is. */
static int
format_option(char *out, size_t size, const struct command_option *o)
{
    char letter[8] = "   ";
    if (o->letter < COMMAND_FLAG)
        snprintf(letter, sizeof(letter), "-%c,", o->letter);
    return snprintf(out, size, "  %s --%s%s%s", letter, o->name,
                    o->argument ? " " : "", o->argument ? o->argument : "");
}

/* Text broken between words, from a column on. */
static void
print_help(FILE *out, const char *text, int column)
{
    int at = column;
    for (const char *p = text; *p; p += strspn(p, " ")) {
        int len = (int) strcspn(p, " ");
        if (at > column && at + 1 + len > WIDTH) {
            fprintf(out, "\n%*s", column, "");
            at = column;
        } else if (at > column) {
            fputc(' ', out);
            at++;
        }
        fwrite(p, 1, (size_t) len, out);
        at += len;
        p += len;
    }
    fputc('\n', out);
}

void
command_print_help(const struct command_help *h, FILE *out)
{
    const struct command_option help = { 'h', "help", NULL, "print this" };
    char line[64];
    int column = format_option(line, sizeof(line), &help);
    for (const struct command_option *o = h->options; o->name; o++) {
        int width = format_option(line, sizeof(line), o);
        if (width > column)
            column = width;
    }
    fputs(h->text, out);
    for (const struct command_option *o = h->options;; o++) {
        const struct command_option *one = o->name ? o : &help;
        format_option(line, sizeof(line), one);
        fprintf(out, "%-*s  ", column, line);
        print_help(out, one->help, column + 2);
        if (!o->name)
            break;
    }
}

int
command_next(int argc, char **argv, const struct command_help *h)
{
    struct option options[OPTIONS_MAX + 2] = { 0 };
    char letters[2 * OPTIONS_MAX + 4], *end = letters;
    int n = 0;
    if (h->in_order)
        *end++ = '+';
    for (; h->options[n].name && n < OPTIONS_MAX; n++) {
        const struct command_option *o = &h->options[n];
        options[n] =
            (struct option){ o->name,
                             o->argument ? required_argument : no_argument,
                             NULL, o->letter };
        if (o->letter >= COMMAND_FLAG)
            continue;
        *end++ = (char) o->letter;
        if (o->argument)
            *end++ = ':';
    }
    options[n] = (struct option){ "help", no_argument, NULL, 'h' };
    strcpy(end, "h");
    int c = getopt_long(argc, argv, letters, options, NULL);
    if (c == 'h')
        command_print_help(h, stdout);
    else if (c == '?')
        command_print_help(h, stderr);
    return c;
}
