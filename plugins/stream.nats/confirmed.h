/* SPDX-License-Identifier: MIT */
/* What a stream has said that it has, partition by partition, on disk before the
 * lane's position moves over it: only so can it be seen later that the stream
 * has lost something. */
#ifndef CONFIRMED_H
#define CONFIRMED_H

#include <stdint.h>

#define PARTITIONS_MAX 256

struct confirmed {
    uint64_t last; /* Il-Last; 0: nothing */
    uint64_t seq;  /* of that message in the stream; 0: there was none */
};

/* Two slots in a file, written in turn. */
struct confirmed_file {
    int fd; /* -1: not open */
    uint64_t turn;
};

/* What it is about: positions of one life of one spool, shared out in one way. */
struct confirmed_life {
    uint8_t spool[16];
    uint32_t set_backs, partitions;
    uint32_t by; /* a hash of what decides the partition */
};

/* Open or make DIR/confirmed, and read what is there.  1, also where it is of an
 * earlier life, and then it is as if nothing had been confirmed; 0: nothing that
 * can be read; -EDOM: events were shared out in another way; or another negative
 * errno.  *of is zeros before. */
int confirmed_open(struct confirmed_file *, const char *dir,
                   const struct confirmed_life *, struct confirmed *of);
/* Durable on return.  0 or a negative errno. */
int confirmed_save(struct confirmed_file *, const struct confirmed_life *,
                   const struct confirmed *of);
void confirmed_close(struct confirmed_file *);

#endif
