/* SPDX-License-Identifier: MIT */
/* Answers that go on.
 *
 * What has come is written as one chunk, and only when all of it has gone is
 * more asked for: so there is one chunk in memory, however slowly the client
 * reads.  While there is none the request is held as one that has not been
 * answered yet. */
#include "private.h"

#include <errno.h>
#include <string.h>

void
http_stream(struct il_request *req, int status, const char *type,
            const struct http_stream *stream)
{
    const int bare = !strcmp(req->method, "HEAD");
    req->out.len = 0;
    req->stream = *stream;
    req->streams = !bare && !req->status;
    http_respond_out(req, status, type);
    /* Chunks are not for 1.0; there the end of the connection ends it. */
    req->shut |= req->streams && !req->head.minor;
    if (!req->streams)
        stream->gone(stream->arg);
}

/* What more() has written, as a chunk; last: and no other comes. */
static int
frame(struct il_request *req, int last)
{
    if (!req->head.minor)
        return 0;
    if (req->out.len
        && (text_printf(&req->answer, "%zx\r\n", req->out.len)
            || text_put(&req->out, "\r\n", 2)))
        return -ENOMEM;
    return last ? text_puts(&req->out, "0\r\n\r\n") : 0;
}

/* Is there something to write, or to end? */
static int
ready(void *arg, struct il_request *req)
{
    (void) arg;
    if (req->stream_over)
        return 1;
    req->answer.len = req->out.len = 0;
    int rc = req->stream.more(req->stream.arg, &req->out);
    req->stream_over = rc == 0;
    if (rc >= 0 && frame(req, rc == 0))
        rc = -ENOMEM;
    req->stream_broken = rc < 0;
    req->sent = 0;
    req->answer_len = req->out.len;
    return rc <= 0 || req->out.len;
}

int
http_stream_next(struct il_request *req)
{
    if (req->stream_over)
        return 1;
    http_hold(req, ready, NULL);
    return 0;
}

void
http_stream_end(struct il_request *req)
{
    if (!req->streams)
        return;
    if (req->is_held)
        http_hold_drop(req);
    req->streams = 0;
    req->stream.gone(req->stream.arg);
}
