/* SPDX-License-Identifier: MIT */
#include "private.h"

#include "scan.h"
#include "token.h"
#include "base/log.h"
#include "base/reserve.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A config is written by people; anything larger is a mistaken path. */
#define FILE_MAX_BYTES (16u << 20)

/* --- memory -------------------------------------------------------------- */

void
conf_give_up(void)
{
    log_error("no memory while reading the configuration");
    _exit(1); /* not exit(): a plugin may be on the stack, which is not to be
               * blamed */
}

void *
conf_alloc(struct conf *conf, size_t size)
{
    struct block *b = calloc(1, sizeof(*b) + size);
    if (!b)
        conf_give_up();
    b->size = size;
    b->next = conf->blocks;
    conf->blocks = b;
    return b->data;
}

char *
conf_strndup(struct conf *conf, const char *text, size_t len)
{
    char *copy = conf_alloc(conf, len + 1);
    memcpy(copy, text, len);
    return copy;
}

char *
conf_printf(struct conf *conf, const char *fmt, ...)
{
    struct il_text t = { 0 };
    va_list ap;
    va_start(ap, fmt);
    if (text_vprintf(&t, fmt, ap))
        conf_give_up();
    va_end(ap);
    char *copy = conf_strndup(conf, t.data, t.len);
    text_clear(&t);
    return copy;
}

struct conf *
conf_new(void)
{
    struct conf *conf = calloc(1, sizeof(*conf));
    if (!conf)
        conf_give_up();
    return conf;
}

void
conf_free(struct conf *conf)
{
    if (!conf)
        return;
    for (size_t i = 0; i < conf->file_count; i++)
        config_destroy(&conf->files[i]->cfg);
    free(conf->files);
    free(conf->findings);
    while (conf->blocks) {
        struct block *b = conf->blocks;
        conf->blocks = b->next;
        explicit_bzero(b->data, b->size);
        free(b);
    }
    free(conf);
}

/* --- files --------------------------------------------------------------- */

/* libconfig does not look at what malloc() returns, and would crash.  See
 * beforehand that there is as much as it can need for a text: nobody else takes
 * memory meanwhile.  An element of a list, "1,", costs it a structure of 64
 * bytes and its place in an array, a name a block of its own; its scanner has
 * buffers of a fixed size. */
static void
reserve_for_libconfig(size_t len)
{
    if (reserve_check((256u << 10) + 64 * len))
        conf_give_up();
}

static struct conf_file *
file_new(struct conf *conf, const char *name, const char *dir)
{
    struct conf_file **files = realloc(
        conf->files, (conf->file_count + 1) * sizeof(struct conf_file *));
    if (!files)
        conf_give_up();
    conf->files = files;
    struct conf_file *f = conf_alloc(conf, sizeof(*f));
    f->name = conf_strndup(conf, name, strlen(name));
    f->dir = conf_strndup(conf, dir, strlen(dir));
    reserve_for_libconfig(0);
    config_init(&f->cfg);
    conf->files[conf->file_count++] = f;
    return f;
}

static struct conf_finding
finding_at(const struct conf *conf, const struct conf_file *f, int line)
{
    struct conf_finding at = { .offset = -1 };
    at.place.file = f->name;
    at.place.dir = f->dir;
    at.place.line = line;
    while (conf->files[at.place.rank] != f)
        at.place.rank++;
    return at;
}

/* A number that does not fit 32 bits is wrong, but no reason not to read the
 * rest, and to read it as it was meant: *fixed gets the text with an L. */
static int
scan_numbers(struct conf *conf, struct conf_file *f, const char *text,
             size_t len, struct il_text *fixed)
{
    struct scan_error error;
    struct scan scan = { text, text + len, 1 };
    const char *from = text;
    int said = 0; /* the line of the last finding */
    while (conf_scan_next(&scan, &error)) {
        struct conf_finding at = finding_at(conf, f, error.line);
        conf_add(conf, &at, "%s", error.message);
        said = error.line;
        if (error.lacks_l) {
            text_put(fixed, from, (size_t) (error.lacks_l - from));
            text_putc(fixed, 'L');
            from = error.lacks_l;
        }
    }
    if (text_put(fixed, from, (size_t) (text + len - from)))
        conf_give_up();
    return said;
}

/* JSON wants a digit on either side of a point, no plus and no zero in front:
 * "+01." is 1.0. */
static char *
float_text(struct conf *conf, const char *p, size_t len)
{
    const char *end = p + len;
    const char *sign = *p == '-' ? "-" : "";
    p += *p == '-' || *p == '+';
    while (p < end && *p == '0')
        p++;
    const char *zero = p < end && *p >= '0' && *p <= '9' ? "" : "0";
    const char *point = memchr(p, '.', (size_t) (end - p));
    if (!point || (point + 1 < end && point[1] >= '0' && point[1] <= '9'))
        return conf_printf(conf, "%s%s%.*s", sign, zero, (int) (end - p), p);
    point++;
    return conf_printf(conf, "%s%s%.*s0%.*s", sign, zero, (int) (point - p), p,
                       (int) (end - point), point);
}

static void
keep_floats(struct conf *conf, struct conf_file *f, const char *text,
            size_t len)
{
    for (int counting = 1; counting >= 0; counting--) {
        const char *p = text;
        int line = 1;
        size_t n = 0;
        struct token t;
        do {
            conf_token_next(&p, text + len, &line, &t);
            if (t.type == TOKEN_FLOAT && !counting)
                f->floats[n] = float_text(conf, t.start, t.len);
            n += t.type == TOKEN_FLOAT;
        } while (t.type != TOKEN_END);
        if (counting)
            f->floats = conf_alloc(conf, (n + 1) * sizeof(char *));
        f->float_count = n;
    }
}

static int
file_parse(struct conf *conf, struct conf_file *f, const char *text, size_t len)
{
    struct scan_error error;
    struct il_text fixed = { 0 };
    int said = scan_numbers(conf, f, text, len, &fixed);
    int err = 0;
    reserve_for_libconfig(fixed.len);
    /* Before libconfig: later versions take more than 1.5 does (a comma after
     * the last element), and a file should mean the same everywhere. */
    if (conf_scan_explain(text, len, &error)) {
        struct conf_finding at = finding_at(conf, f, error.line);
        if (error.line != said)
            conf_add(conf, &at, "%s", error.message);
        err = -EINVAL;
    } else if (!config_read_string(&f->cfg, text_str(&fixed))) {
        struct conf_finding at =
            finding_at(conf, f, config_error_line(&f->cfg));
        conf_add(conf, &at, "%s", config_error_text(&f->cfg));
        /* Half a file says things that its author did not mean. */
        config_destroy(&f->cfg);
        config_init(&f->cfg);
        err = -EINVAL;
    }
    if (!err)
        keep_floats(conf, f, text_str(&fixed), fixed.len);
    if (fixed.data)
        explicit_bzero(fixed.data, fixed.len);
    text_clear(&fixed);
    return err;
}

int
conf_file_open(const char *path, FILE **f, struct stat *st)
{
    *f = fopen(path, "re");
    if (!*f)
        return -errno;
    int err = fstat(fileno(*f), st) ? -errno : 0;
    if (!err && S_ISDIR(st->st_mode))
        err = -EISDIR;
    if (err)
        fclose(*f);
    return err;
}

/* The whole file, NUL-terminated.  0 or -errno. */
static int
read_all(struct conf *conf, const char *path, char **out, size_t *len,
         int *exposed)
{
    *out = NULL;
    FILE *f;
    struct stat st;
    int err = conf_file_open(path, &f, &st);
    if (err)
        return err;
    *exposed = S_ISREG(st.st_mode) && (st.st_mode & S_IROTH);
    conf_read_from(conf, path, &st);
    /* Of a pipe nobody knows the size; of a file it is what it has. */
    size_t size = FILE_MAX_BYTES;
    if (S_ISREG(st.st_mode) && st.st_size > 0 && st.st_size < FILE_MAX_BYTES)
        size = (size_t) st.st_size;
    char *text = malloc(size + 1);
    if (!text)
        err = -ENOMEM;
    if (!err) {
        *len = fread(text, 1, size + 1, f);
        if (ferror(f))
            err = -EIO;
        else if (*len > size)
            err = size == FILE_MAX_BYTES ? -EFBIG : -EAGAIN;
    }
    fclose(f);
    if (err) {
        free(text);
        return err;
    }
    text[*len] = 0;
    *out = text;
    return 0;
}

static char *
dir_of(struct conf *conf, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return conf_strndup(conf, ".", 1);
    return conf_strndup(conf, path,
                        slash == path ? 1 : (size_t) (slash - path));
}

static int
load_one(struct conf *conf, const char *path)
{
    struct conf_file *f = file_new(conf, path, dir_of(conf, path));
    char *text;
    size_t len = 0;
    int err = read_all(conf, path, &text, &len, &f->exposed);
    if (err) {
        struct conf_finding at = finding_at(conf, f, 0);
        conf_add(conf, &at, "cannot read the config file: %s", strerror(-err));
        return -EINVAL;
    }
    err = file_parse(conf, f, text, len);
    explicit_bzero(text, len);
    free(text);
    return err;
}

static int
is_conf(const struct dirent *e)
{
    size_t len = strlen(e->d_name);
    return e->d_name[0] != '.' && len > 5
           && strcmp(e->d_name + len - 5, ".conf") == 0;
}

/* In byte order, whatever the locale: the order must not change with it. */
static int
by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int
load_included(struct conf *conf, const struct config_setting_t *setting)
{
    const char *name = config_setting_get_string(setting);
    struct conf_finding at = { .place = conf_place(conf, setting),
                               .key = "include_dir",
                               .offset = -1 };
    if (!name)
        return 0; /* the option table words it */
    const char *dir =
        *name == '/' ? name : conf_printf(conf, "%s/%s", at.place.dir, name);
    if (strcmp(at.place.dir, ".") == 0)
        dir = name;
    struct dirent **entries;
    int n = scandir(dir, &entries, is_conf, by_name);
    if (n < 0) {
        conf_add(conf, &at, "cannot read the directory %s: %s", dir,
                 strerror(errno));
        return -EINVAL;
    }
    int err = 0;
    for (int i = 0; i < n; i++) {
        char *path = conf_printf(conf, "%s/%s", dir, entries[i]->d_name);
        if (load_one(conf, path))
            err = -EINVAL;
        free(entries[i]);
    }
    free(entries);
    return err;
}

static int
load_rest(struct conf *conf, int err)
{
    const struct config_setting_t *include =
        config_setting_get_member(conf_root(conf, 0), "include_dir");
    if (include && load_included(conf, include))
        err = -EINVAL;
    for (size_t i = 1; i < conf->file_count; i++) {
        struct config_setting_t *again =
            config_setting_get_member(conf_root(conf, i), "include_dir");
        if (!again)
            continue;
        struct conf_finding at = { .place = conf_place(conf, again),
                                   .key = "include_dir",
                                   .offset = -1 };
        conf_add(conf, &at, "only the main file, %s, can have it",
                 conf->files[0]->name);
        err = -EINVAL;
    }
    return err;
}

int
conf_load(struct conf *conf, const char *path)
{
    return load_rest(conf, load_one(conf, path));
}

int
conf_load_text(struct conf *conf, const char *name, const char *dir,
               const char *text, size_t len)
{
    struct conf_file *f = file_new(conf, name, dir);
    char *copy = conf_strndup(conf, text, len);
    return load_rest(conf, file_parse(conf, f, copy, len));
}

size_t
conf_file_count(const struct conf *conf)
{
    return conf->file_count;
}

struct config_setting_t *
conf_root(const struct conf *conf, size_t file)
{
    return config_root_setting(&conf->files[file]->cfg);
}

const char *
conf_peek(const struct config_setting_t *group, const char *key)
{
    struct config_setting_t *s = config_setting_get_member(group, key);
    return s ? config_setting_get_string(s) : NULL;
}

/* How many numbers with a point come before one, in the order of the file.  1
 * once it is found. */
static int
count_floats(const struct config_setting_t *s,
             const struct config_setting_t *wanted, size_t *n)
{
    if (s == wanted)
        return 1;
    *n += config_setting_type(s) == CONFIG_TYPE_FLOAT;
    for (int i = 0;
         config_setting_is_aggregate(s) && i < config_setting_length(s); i++)
        if (count_floats(config_setting_get_elem(s, (unsigned) i), wanted, n))
            return 1;
    return 0;
}

const char *
conf_float_text(const struct conf *conf, const struct config_setting_t *s)
{
    size_t n = 0;
    const struct conf_file *f = conf->files[conf_place(conf, s).rank];
    count_floats(config_root_setting(&f->cfg), s, &n);
    return n < f->float_count ? f->floats[n] : "";
}

struct conf_place
conf_place(const struct conf *conf, const struct config_setting_t *setting)
{
    const struct config_setting_t *root = setting;
    while (root->parent)
        root = root->parent;
    for (size_t i = 0; i < conf->file_count; i++)
        if (conf_root(conf, i) == root)
            return (struct conf_place){
                .file = conf->files[i]->name,
                .dir = conf->files[i]->dir,
                .line = (int) config_setting_source_line(setting),
                .rank = (int) i
            };
    return (struct conf_place){ 0 };
}

int
conf_exposed(struct conf *conf, const struct config_setting_t *setting)
{
    struct conf_file *f = conf->files[conf_place(conf, setting).rank];
    if (!f->secret)
        f->secret = setting;
    f->more_secrets |= f->secret != setting;
    return f->exposed && f->secret == setting;
}

struct conf_place
conf_place_main(const struct conf *conf)
{
    return (struct conf_place){ .file = conf->files[0]->name,
                                .dir = conf->files[0]->dir };
}
