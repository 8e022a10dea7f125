/* SPDX-License-Identifier: MIT */
/* The files of a spool's directory, before anybody believes them. */
#ifndef SPOOL_FOUND_H
#define SPOOL_FOUND_H

#include "private.h"

struct found_file {
    char name[SEGMENT_NAME + 8];
    uint64_t named; /* the position in the name */
    uint64_t first; /* from the header; the name where that is damaged */
    uint64_t size;
    int64_t written_us;
    int header_ok;
    int unreadable; /* for now: nothing is concluded from that */
    struct segment_header header;
};

struct found_list {
    struct found_file *items;
    size_t count, cap;
};

/* List the segments.  -ENOTSUP after a log line: made by a newer version;
 * or an error that says nothing of a file (file_is_lost()): a start ends with it. */
int spool_found_read(struct spool *, struct found_list *);
/* Settle whose spool it is: s->id, and DIR/ID where that is missing. */
int spool_found_identify(struct spool *, struct found_list *);
/* Move aside what does not belong, give misnamed files their names, sort. */
int spool_found_tidy(struct spool *, struct found_list *);
/* Sort by first position and name. */
void spool_found_sort(struct found_list *);
/* The UUID that most headers have; 0 if there is none. */
int spool_found_majority(const struct found_list *, uint8_t uuid[16]);

#endif
