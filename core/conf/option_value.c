/* SPDX-License-Identifier: MIT */
/* Values: texts with units, and texts that stand elsewhere. */
#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A certificate chain is a few KiB; a secret that is larger is a mistake. */
#define FILE_MAX_BYTES (1u << 20)

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit durations[] = {
    { "ms", 1 },      { "s", 1000 },     { "m", 60000 },
    { "h", 3600000 }, { "d", 86400000 }, { "w", 604800000 },
};

static const struct unit sizes[] = {
    { "B", 1 },
    { "KiB", INT64_C(1) << 10 },
    { "MiB", INT64_C(1) << 20 },
    { "GiB", INT64_C(1) << 30 },
    { "TiB", INT64_C(1) << 40 },
    { "kB", 1000 },
    { "KB", 1000 },
    { "MB", 1000000 },
    { "GB", 1000000000 },
    { "TB", INT64_C(1000000000000) },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* DIGITS[.DIGITS]UNIT, exactly: 0.5s is 500 ms, 0.5ms is nothing. */
static int
parse_unit(const char *text, const struct unit *units, size_t n, int64_t *value)
{
    const char *p = text;
    int64_t whole = 0, scale = 1;
    if (!isdigit((unsigned char) *p))
        return -EINVAL;
    for (int fraction = 0;
         isdigit((unsigned char) *p) || (*p == '.' && !fraction); p++) {
        if (*p == '.') {
            if (!isdigit((unsigned char) p[1]))
                return -EINVAL;
            fraction = 1;
            continue;
        }
        /* A second '.' ended the loop's condition; digits after the first one
         * only ever raise the scale. */
        if (__builtin_mul_overflow(whole, 10, &whole)
            || __builtin_add_overflow(whole, *p - '0', &whole)
            || (memchr(text, '.', (size_t) (p - text))
                && __builtin_mul_overflow(scale, 10, &scale)))
            return -ERANGE;
    }
    while (*p == ' ')
        p++;
    if (!*p && whole == 0) {
        *value = 0;
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        if (strcmp(p, units[i].name) != 0)
            continue;
        if (__builtin_mul_overflow(whole, units[i].factor, value))
            return -ERANGE;
        if (*value % scale)
            return -EINVAL;
        *value /= scale;
        return 0;
    }
    return -EINVAL;
}

int
option_parse_duration(const char *text, int64_t *ms, const char **why)
{
    int err = parse_unit(text, durations, COUNT(durations), ms);
    *why = err == -ERANGE ? "a shorter time"
                          : "a duration with its unit (ms, s, m, h, d, w), "
                            "like \"30s\"";
    return err ? -EINVAL : 0;
}

int
option_parse_size(const char *text, int64_t *bytes, const char **why)
{
    int err = parse_unit(text, sizes, COUNT(sizes), bytes);
    *why = err == -ERANGE ? "a smaller size"
                          : "a size with its unit (B, KiB, MiB, GiB, TiB, "
                            "kB, MB, GB, TB), like \"64MiB\"";
    return err ? -EINVAL : 0;
}

static void
format_unit(char out[32], const struct unit *units, size_t n, int64_t value)
{
    size_t best = 0;
    for (size_t i = 1; i < n && value; i++)
        if (value % units[i].factor == 0
            && units[i].factor > units[best].factor)
            best = i;
    snprintf(out, 32, "%" PRId64 "%s", value / units[best].factor,
             units[best].name);
}

void
option_format(char out[32], uint32_t type, int64_t value)
{
    if (type == IL_OPT_DURATION)
        format_unit(out, durations, COUNT(durations), value);
    else if (type == IL_OPT_SIZE)
        format_unit(out, sizes, 5, value); /* binary units only */
    else if (type == IL_OPT_BOOL)
        snprintf(out, 32, "%s", value ? "true" : "false");
    else
        snprintf(out, 32, "%" PRId64, value);
}

const char *
option_type_name(uint32_t type)
{
    static const char *const names[] = { "?",        "string", "int", "bool",
                                         "duration", "group",  "size" };
    return type < COUNT(names) ? names[type] : "?";
}

/* --- texts that stand elsewhere ------------------------------------------ */

static int
read_secret(struct conf *conf, const char *path, const char **out, int *exposed)
{
    FILE *f = fopen(path, "re");
    if (!f)
        return -errno;
    struct stat st;
    int err = 0;
    if (fstat(fileno(f), &st))
        err = -errno;
    else if (S_ISDIR(st.st_mode))
        err = -EISDIR;
    else if (st.st_size > FILE_MAX_BYTES)
        err = -EFBIG;
    if (err) {
        fclose(f);
        return err;
    }
    setvbuf(f, NULL, _IONBF, 0); /* leave no copy in a buffer */
    char *text = conf_alloc(conf, FILE_MAX_BYTES + 2);
    size_t len = fread(text, 1, FILE_MAX_BYTES + 1, f);
    if (ferror(f))
        err = -EIO;
    else if (len > FILE_MAX_BYTES)
        err = -EFBIG;
    else if (memchr(text, 0, len))
        err = -EILSEQ;
    fclose(f);
    if (err)
        return err;
    if (len && text[len - 1] == '\n')
        len--;
    if (len && text[len - 1] == '\r')
        len--;
    text[len] = 0;
    *exposed = (st.st_mode & 04) != 0;
    *out = text;
    return 0;
}

static int
resolve_env(struct conf *conf, const char *name, const char **out)
{
    const char *value = getenv(name);
    if (!*name)
        *out = "env: names no variable";
    else if (!value)
        *out =
            conf_printf(conf, "the environment variable %s is not set", name);
    else {
        *out = conf_strndup(conf, value, strlen(value));
        return 1;
    }
    return -EINVAL;
}

static int
resolve_file(struct conf *conf, const char *dir, const char *path,
             const char **out, int *exposed)
{
    if (!*path) {
        *out = "file: names no file";
        return -EINVAL;
    }
    const char *full = *path == '/' || strcmp(dir, ".") == 0
                           ? path
                           : conf_printf(conf, "%s/%s", dir, path);
    int err = read_secret(conf, full, out, exposed);
    if (!err)
        return 1;
    *out = err == -EILSEQ
               ? conf_printf(conf, "the file %s holds a NUL byte", full)
               : conf_printf(conf, "cannot read the file %s: %s", full,
                             strerror(-err));
    return -EINVAL;
}

static int
resolve_credential(struct conf *conf, const char *name, const char **out)
{
    const char *dir = getenv("CREDENTIALS_DIRECTORY");
    int exposed;
    if (!*name || strchr(name, '/') || strcmp(name, "..") == 0) {
        *out = "credential: takes the name of a systemd credential";
        return -EINVAL;
    }
    if (!dir) {
        *out = conf_printf(conf,
                           "the credential %s is not there: "
                           "$CREDENTIALS_DIRECTORY is not set (see "
                           "LoadCredential= in systemd.exec(5))",
                           name);
        return -EINVAL;
    }
    return resolve_file(conf, dir, conf_printf(conf, "%s/%s", dir, name), out,
                        &exposed);
}

int
option_resolve(struct conf *conf, const char *dir, const char *text,
               const char **out, int *exposed)
{
    *exposed = 0;
    *out = text;
    if (strncmp(text, "env:", 4) == 0)
        return resolve_env(conf, text + 4, out);
    if (strncmp(text, "file:", 5) == 0)
        return resolve_file(conf, dir, text + 5, out, exposed);
    if (strncmp(text, "credential:", 11) == 0)
        return resolve_credential(conf, text + 11, out);
    if (strncmp(text, "literal:", 8) == 0)
        *out = text + 8;
    return 0;
}
