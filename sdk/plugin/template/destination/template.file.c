/* SPDX-License-Identifier: MIT */
/* template.file: append events to a file, a line of JSON each.
 *
 * A complete destination to begin your own with.  A batch is settled once it is
 * on disk, and comes again until it is: an event may be there twice after a
 * crash, and never not at all. */
#include <errno.h>
#include <fcntl.h>
#include <ingestlayer/plugin.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One instance: a place in the config.  All state is here. */
struct file {
    const struct il_host *host;
    const char *path; /* the option: lives until close */
    int sync;
    struct il_field *payload; /* resolved once, used for each event */
    struct il_counter *written;
    struct il_text *text; /* the lines of a batch, used again and again */
    int fd;               /* -1: not open */
};

static const struct il_option file_options[] = {
    { .name = "path",
      .type = IL_OPT_STRING,
      .flags = IL_OPT_REQUIRED,
      .min = 1,
      .max = 4000,
      .help = "File to append to, made where it is missing." },
    { .name = "sync",
      .type = IL_OPT_BOOL,
      .def = "true",
      .help = "Wait until the disk has it before events count as delivered." },
    IL_OPTIONS_END
};

static void
file_close(void *self)
{
    struct file *f = self;
    il_field_free(f->host, f->payload);
    il_text_free(f->host, f->text);
    free(f);
}

/* Touches nothing outside the process: it also runs for `ingestlayer check`. */
static int
file_open(const struct il_host *host, const struct il_conf *conf, void **self)
{
    struct file *f = calloc(1, sizeof(*f));
    if (!f)
        return -ENOMEM;
    f->host = host;
    f->fd = -1;
    f->path = il_conf_str(conf, "path");
    f->sync = il_conf_int(conf, "sync") != 0;
    f->written = il_counter_new(host, "written", IL_UNIT_BYTES,
                                "Bytes that were written.");
    f->text = il_text_new(host);
    int err = f->text ? 0 : -ENOMEM;
    /* What the table cannot check, check here, against the key. */
    if (!err && *f->path != '/')
        err = il_conf_error(conf, "path", 0, "expected an absolute path");
    if (!err)
        err = il_field_named(host, IL_FIELD_ANY, "payload", &f->payload);
    if (err) {
        file_close(f);
        return err;
    }
    *self = f;
    return 0;
}

/* Append the lines of all events to the text.  0 or -ENOMEM. */
static int
put_lines(struct file *f, struct il_batch *batch)
{
    const uint32_t count = il_batch_count(batch);
    struct il_value payload;
    f->text->len = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!il_live(batch, i) || !il_get(batch, i, f->payload, &payload))
            continue;
        if (il_write_json(f->host, f->text, &payload, 0) < 0
            || il_text_reserve(f->host, f->text, 1))
            return -ENOMEM;
        f->text->data[f->text->len++] = '\n';
    }
    return 0;
}

/* 0 once all of it is in the file, else a negative errno, and then none of it
 * is: a line that is cut off would spoil the next one. */
static int
append(struct file *f)
{
    off_t before = lseek(f->fd, 0, SEEK_END);
    size_t done = 0;
    int err = before < 0 ? -errno : 0;
    while (!err && done < f->text->len) {
        ssize_t n = write(f->fd, f->text->data + done, f->text->len - done);
        if (n >= 0)
            done += (size_t) n;
        else if (errno != EINTR)
            err = -errno;
    }
    if (!err && f->sync && fdatasync(f->fd))
        err = -errno;
    if (err && before >= 0 && ftruncate(f->fd, before))
        il_log(f->host, IL_LOG_ERROR, "cannot take back a part of a line in %s",
               f->path);
    return err;
}

/* An error before the batch is taken (0) means that it comes again; once it is
 * taken it is settled, exactly once.  Never wait here to try again: settle
 * IL_RETRY, or IL_PAUSE where a person must mend something. */
static int
file_write(void *self, struct il_batch *batch, struct il_ack *ack)
{
    struct file *f = self;
    int err = put_lines(f, batch);
    if (err)
        return err;
    if (f->fd < 0)
        f->fd = open(f->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (f->fd < 0) {
        il_settle(ack, IL_PAUSE, strerror(errno));
        return 0;
    }
    err = append(f);
    if (!err)
        il_counter_add(f->host, f->written, f->text->len);
    il_settle(ack, err ? IL_RETRY : IL_OK, err ? strerror(-err) : NULL);
    return 0;
}

/* No thread of its own, and nothing on its way: there is only a file to
 * close. */
static void
file_stop(void *self)
{
    struct file *f = self;
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
}

IL_PLUGIN = {
    IL_PLUGIN_ABI,
    .kind = IL_DESTINATION,
    .threads = IL_SERIAL_INSTANCE,
    .name = "template.file",
    .version = "1.0",
    .summary = "Append events to a file.",
    .options = file_options,
    .open = file_open,
    .write = file_write,
    .stop = file_stop,
    .close = file_close,
};
