/* SPDX-License-Identifier: MIT */
/* Values as the operator would write them, and texts that stand elsewhere. */
#include "options.h"
#include "private.h"

#include "base/units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A certificate chain is a few KiB; a secret that is larger is a mistake. */
#define FILE_MAX_BYTES (1u << 20)

void
option_format(char out[32], uint32_t type, int64_t value)
{
    if (type == IL_OPT_DURATION)
        units_format_duration(out, value);
    else if (type == IL_OPT_SIZE)
        units_format_size(out, value);
    else if (type == IL_OPT_BOOL)
        snprintf(out, 32, "%s", value ? "true" : "false");
    else
        snprintf(out, 32, "%" PRId64, value);
}

const char *
option_type_name(uint32_t type)
{
    static const char *const names[] = {
        "?", "string", "int", "bool", "duration", "group", "size", "number"
    };
    return type < sizeof(names) / sizeof(names[0]) ? names[type] : "?";
}

/* --- texts that stand elsewhere ------------------------------------------ */

static int
read_secret(struct conf *conf, const char *path, const char **out, int *exposed)
{
    FILE *f;
    struct stat st;
    int err = conf_file_open(path, &f, &st);
    if (err)
        return err;
    if (st.st_size > FILE_MAX_BYTES) {
        fclose(f);
        return -EFBIG;
    }
    conf_note_file(conf, path, &st);
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
        conf_note_fixed(conf, conf_printf(conf, "env:%s", name));
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
    conf_note_fixed(conf, conf_printf(conf, "credential:%s", name));
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
