/* SPDX-License-Identifier: MIT */
/* What a process of another version might say when this one is to take its place:
 * each message has a byte for whether a descriptor goes along, one for its
 * length, and its bytes.  Whatever comes, nothing stays open. */
#include "fuzz.h"
#include "base/log.h"
#include "host/handover.h"
#include "http/inherited.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The lowest that is free: it is the same once all is closed. */
static int
lowest(void)
{
    int fd = fcntl(STDERR_FILENO, F_DUPFD, 3);
    close(fd);
    return fd;
}

static void
say(struct handover *h, const uint8_t *bytes, size_t len, int has_fd)
{
    char word[256];
    int pair[2] = { -1, -1 };
    const uint8_t *end = memchr(bytes, 0, len);
    const size_t n = end ? (size_t) (end - bytes) : len;
    if (has_fd && socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
        return;
    memcpy(word, bytes, n);
    word[n] = 0;
    handover_say(h, word,
                 slice_of((const char *) bytes + n + (end != NULL),
                          len - n - (end != NULL)),
                 pair[0]);
    for (int i = 0; has_fd && i < 2; i++)
        close(pair[i]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const int before = lowest();
    struct handover ours, theirs;
    struct handover_facts facts;
    int ends[2], lock = -1, said = 0;
    log_level_set(0);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends)
        || handover_open(&ours, ends[0]) || handover_open(&theirs, ends[1]))
        return 0;
    struct http_inherited *in = http_inherited_new();
    while (size > 2 && said++ < 32) {
        const size_t len = data[1] < size - 2 ? data[1] : size - 2;
        say(&ours, data + 2, len, data[0] & 1);
        data += 2 + len;
        size -= 2 + len;
    }
    handover_close(&ours);
    CLAIM(handover_take(&theirs, &lock, in, &facts) || lock >= 0);
    handover_close(&theirs);
    http_inherited_free(in);
    if (lock >= 0)
        close(lock);
    CLAIM(lowest() == before);
    return 0;
}
