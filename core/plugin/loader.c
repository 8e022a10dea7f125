/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "loader.h"

#include "private.h"
#include "base/log.h"
#include "base/nearest.h"

#include <ctype.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_MAX_BYTES 100
#define PATH_MAX_DIRS 64

/* A file that is mapped, or was: what several loaders have of it in common.
 * These stay as long as the process, as the turns that instances of different
 * configs take are each other's. */
struct object {
    struct object *next;
    char *path;
    pthread_mutex_t serial;
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed;
};

static pthread_mutex_t objects_lock = PTHREAD_MUTEX_INITIALIZER;
static struct object *objects;

struct loaded {
    struct plugin plugin;
    char *name;
    void *handle;
    struct loaded *next;
};

struct loader {
    char *dirs[PATH_MAX_DIRS];
    size_t dir_count;
    struct loaded *loaded;
    char **names;
    size_t name_count;
    int scanned;
};

static void
add_dir(struct loader *l, const char *dir, size_t len)
{
    if (!len || l->dir_count == PATH_MAX_DIRS)
        return;
    char *copy = strndup(dir, len);
    if (copy)
        l->dirs[l->dir_count++] = copy;
}

struct loader *
loader_new(const char *const *dirs, size_t n)
{
    struct loader *l = calloc(1, sizeof(*l));
    if (!l)
        return NULL;
    /* Not for a set-user-id process: the path decides what code runs. */
    const char *path = secure_getenv("INGESTLAYER_PLUGIN_PATH");
    for (const char *p = path; p && *p; p += *p == ':') {
        size_t len = strcspn(p, ":");
        add_dir(l, p, len);
        p += len;
    }
    for (size_t i = 0; i < n; i++)
        add_dir(l, dirs[i], strlen(dirs[i]));
    add_dir(l, PLUGINDIR, strlen(PLUGINDIR));
    return l;
}

/* Leak checkers name frames when they report, at exit; by then an unmapped
 * plugin has no names left. */
static int
stay_mapped(void)
{
#ifdef IL_SANITIZED
    return 1;
#else
    const char *preload = getenv("LD_PRELOAD");
    return preload && strstr(preload, "vgpreload");
#endif
}

void
loader_free(struct loader *l)
{
    if (!l)
        return;
    while (l->loaded) {
        struct loaded *p = l->loaded;
        l->loaded = p->next;
        if (!stay_mapped())
            dlclose(p->handle);
        free(p->plugin.path);
        free(p->name);
        free(p);
    }
    for (size_t i = 0; i < l->dir_count; i++)
        free(l->dirs[i]);
    for (size_t i = 0; i < l->name_count; i++)
        free(l->names[i]);
    free(l->names);
    free(l);
}

/* --- names --------------------------------------------------------------- */

static int
name_is_sane(const char *name)
{
    size_t len = strlen(name);
    if (len == 0 || len > NAME_MAX_BYTES || *name == '.')
        return 0;
    for (; *name; name++)
        if (!isalnum((unsigned char) *name) && !strchr("._-", *name))
            return 0;
    return 1;
}

static void
add_name(struct loader *l, const char *file)
{
    size_t len = strlen(file);
    if (len < 4 || strcmp(file + len - 3, ".so") != 0)
        return;
    char *name = strndup(file, len - 3);
    if (!name || !name_is_sane(name)) {
        free(name);
        return;
    }
    for (size_t i = 0; i < l->name_count; i++)
        if (strcmp(l->names[i], name) == 0) {
            free(name);
            return;
        }
    char **more = realloc(l->names, (l->name_count + 1) * sizeof(char *));
    if (!more) {
        free(name);
        return;
    }
    l->names = more;
    l->names[l->name_count++] = name;
}

static int
by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

size_t
loader_names(struct loader *l, const char *const **names)
{
    for (size_t i = 0; i < l->dir_count && !l->scanned; i++) {
        DIR *d = opendir(l->dirs[i]);
        for (struct dirent *e; d && (e = readdir(d));)
            add_name(l, e->d_name);
        if (d)
            closedir(d);
    }
    if (!l->scanned && l->name_count)
        qsort(l->names, l->name_count, sizeof(char *), by_name);
    l->scanned = 1;
    *names = (const char *const *) l->names;
    return l->name_count;
}

static void
say_unknown(struct loader *l, const char *name, struct il_text *why)
{
    const char *const *names;
    size_t n = loader_names(l, &names);
    const char *meant = nearest_name(name, names, n);
    text_printf(why, "there is no plugin \"%s\"", name);
    if (meant) {
        text_printf(why, "; did you mean \"%s\"?", meant);
        return;
    }
    text_puts(why, " (looked in ");
    for (size_t i = 0; i < l->dir_count; i++)
        text_printf(why, "%s%s", i ? ", " : "", l->dirs[i]);
    text_puts(why, "; if it has a package, that is ingestlayer-plugin-");
    for (const char *c = name; *c; c++)
        text_putc(why, *c == '.' ? '-' : *c);
    text_puts(why, ")");
}

/* --- loading ------------------------------------------------------------- */

/* The first file of that name in the search path; NULL: none. */
static char *
find_file(struct loader *l, const char *name)
{
    for (size_t i = 0; i < l->dir_count; i++) {
        char *path = NULL;
        if (asprintf(&path, "%s/%s.so", l->dirs[i], name) < 0)
            return NULL;
        struct stat st;
        if (lstat(path, &st) == 0) /* a dangling link is a find, too */
            return path;
        free(path);
    }
    return NULL;
}

static struct object *
object_find(const char *path)
{
    struct object *o = objects;
    while (o && strcmp(o->path, path))
        o = o->next;
    if (o)
        return o;
    o = calloc(1, sizeof(*o));
    if (!o || !(o->path = strdup(path))) {
        free(o);
        return NULL;
    }
    pthread_mutex_init(&o->serial, NULL);
    o->next = objects;
    return objects = o;
}

/* What is mapped is found by its name alone, whatever the file is by now.  NULL:
 * no memory. */
static struct object *
object_get(const char *path, int *stale)
{
    struct stat st = { 0 };
    pthread_mutex_lock(&objects_lock);
    struct object *o = object_find(path);
    void *mapped = o ? dlopen(path, RTLD_NOW | RTLD_NOLOAD) : NULL;
    if (o && !stat(path, &st) && !mapped) {
        o->device = st.st_dev;
        o->inode = st.st_ino;
        o->size = st.st_size;
        o->changed = st.st_mtim;
    }
    *stale = o
             && (o->device != st.st_dev || o->inode != st.st_ino
                 || o->size != st.st_size
                 || memcmp(&o->changed, &st.st_mtim, sizeof(o->changed)));
    pthread_mutex_unlock(&objects_lock);
    if (mapped)
        dlclose(mapped);
    return o;
}

static void *
map_file(const char *path, struct il_text *why)
{
    if (!loader_is_elf(path, why))
        return NULL;
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL
                                    | (stay_mapped() ? RTLD_NODELETE : 0));
    if (handle)
        return handle;
    const char *error = dlerror();
    size_t len = strlen(path);
    /* It mostly begins with the path already. */
    if (error && strncmp(error, path, len) == 0)
        text_printf(why, "cannot load %s", error);
    else
        text_printf(why, "cannot load %s: %s", path, error ? error : "?");
    return NULL;
}

static struct loaded *
loaded_new(void *handle, const char *name, char *path, struct object *object,
           struct il_text *why)
{
    struct loaded *p = calloc(1, sizeof(*p));
    if (p)
        p->name = strdup(name);
    if (!p || !p->name || !object) {
        text_printf(why, "cannot load %s: no memory", path);
    } else if (!plugin_handshake(dlsym(handle, "il_plugin"), name, path,
                                 &p->plugin.desc, why)) {
        p->plugin.options.first = p->plugin.desc.options;
        p->plugin.options.stride = p->plugin.desc.option_size;
        p->plugin.path = path;
        if (p->plugin.desc.threads == IL_SERIAL_PLUGIN)
            p->plugin.serial = &object->serial;
        p->handle = handle;
        return p;
    }
    if (p)
        free(p->name);
    free(p);
    return NULL;
}

static struct loaded *
load(struct loader *l, const char *name, struct il_text *why)
{
    char *path = find_file(l, name);
    if (!path) {
        say_unknown(l, name, why);
        return NULL;
    }
    int stale = 0;
    struct object *object = object_get(path, &stale);
    void *handle = map_file(path, why);
    struct loaded *p =
        handle ? loaded_new(handle, name, path, object, why) : NULL;
    if (p) {
        p->plugin.stale = stale;
        p->next = l->loaded;
        l->loaded = p;
        return p;
    }
    if (handle)
        dlclose(handle);
    free(path);
    return NULL;
}

const struct plugin *
loader_get(struct loader *l, const char *name, int kind, struct il_text *why)
{
    struct loaded *p = l->loaded;
    if (!name_is_sane(name)) {
        text_printf(why, "\"%s\" cannot be the name of a plugin", name);
        return NULL;
    }
    while (p && strcmp(p->name, name) != 0)
        p = p->next;
    if (!p)
        p = load(l, name, why);
    if (!p)
        return NULL;
    if (kind && p->plugin.desc.kind != kind) {
        text_printf(why, "\"%s\" is a %s and cannot be used as a %s", name,
                    plugin_kind_name(p->plugin.desc.kind),
                    plugin_kind_name(kind));
        return NULL;
    }
    return &p->plugin;
}
