/* SPDX-License-Identifier: MIT */
/* How the room works: the log on disk, the only truth there is.
 *
 *   write.c     appending: the buffers, the writer thread, the announcer
 *   group.c     one group of frames onto the disk, durably or not at all
 *   segment.c   the format: headers, frames; scan.c finds them after damage
 *   list.c      the segments in order, each with a sparse index
 *   read.c      readers, which lanes and the index of keys hold
 *   retain.c    what may go, and how fast it goes; spare.c files used again
 *   recover.c   opening: found.c lists the files, damage.c names what is lost,
 *               whole.c takes away what is not whole
 *   walk.c      looking at a spool without opening it; id.c whose it is
 *   set_back.c  how often positions were given out a second time
 *   cursor.c    the cursor file of a lane, apart from the rest
 *
 * Threads.  Anybody appends.  The writer takes the buffer that was filled, does
 * one pwrite and one fdatasync, and tells those who wait; every two seconds it
 * does the housekeeping (retain.c).  The announcer tells of failures.  Readers
 * belong to their lanes' threads and use pread alone.
 *
 * Locks.  `lock` guards appending, `list_lock` segments, holds and what is
 * known of damage; where both are held, `lock` is taken first.  Nobody holds
 * either over a sync.  What everybody may ask at any time is atomic.
 *
 * A crash leaves a torn tail of the newest segment, which recovery cuts, and
 * spare files, which it removes.  Nothing that was acknowledged is in either.
 */
#ifndef SPOOL_PRIVATE_H
#define SPOOL_PRIVATE_H

#include "spool.h"
#include "base/digits.h"

#include <endian.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#define SEGMENT_HEADER 64
#define SEGMENT_NAME 32
#define SEGMENT_PAGE 4096u
#define FRAME_HEADER 16
#define FRAME_MIN (FRAME_HEADER + 8)
/* No frame is larger: a length above it is damage, found without hashing. */
#define FRAME_BODY_MAX (64u << 20)
/* One index entry for this many bytes: a seek reads at most so much, and the
 * index of 64 MiB costs 4 KiB. */
#define SEGMENT_INDEX_STEP (256u << 10)
/* Above every position that can exist; a bigint holds it.  What is above it in
 * a frame are the two flags. */
#define SPOOL_POSITION_MAX (((uint64_t) 1 << 62) - 1)
#define FRAME_BEHIND ((uint64_t) 1 << 62) /* belongs to the one before */
#define FRAME_MORE ((uint64_t) 1 << 63)   /* the next one belongs to it */

/* --- the format (segment.c, scan.c) --- */

struct segment_header {
    int reused; /* behind its frames are older ones: version 2 */
    uint8_t uuid[16];
    uint64_t first;      /* its first position */
    uint64_t prev_first; /* of the segment before it; 0: none */
    uint64_t prev_last;  /* last position given out before this segment */
    uint64_t prev_end;   /* where that segment's frames end */
};

void spool_header_pack(char out[SEGMENT_HEADER], const struct segment_header *);
/* 0; -EINVAL: damaged or none; -ENOTSUP: a version from the future. */
int spool_header_unpack(const char in[SEGMENT_HEADER], struct segment_header *);
void spool_segment_name(char out[SEGMENT_NAME], uint64_t first);
/* The bytes of zeros that are behind a group that ends at `end`, in a file that
 * is used again. */
static inline size_t
segment_pad(uint64_t end)
{
    return FRAME_MIN + SEGMENT_PAGE - 1
           - (size_t) ((end + FRAME_MIN - 1) % SEGMENT_PAGE);
}
#define SEGMENT_PAD_MAX (FRAME_MIN + SEGMENT_PAGE)
uint64_t spool_seed(const uint8_t uuid[16]);

static inline uint64_t
frame_size(uint64_t body_len)
{
    return (FRAME_HEADER + body_len + 7) & ~(uint64_t) 7;
}

/* Write a frame; out has room for frame_size(len).  position: with its flags.
 */
void spool_frame_pack(char *out, uint64_t seed, uint64_t position,
                      const char *body, uint32_t len);

struct frame {
    uint64_t offset, position;
    uint64_t flags;   /* FRAME_BEHIND, FRAME_MORE */
    const char *body; /* valid until the next call on the same bytes */
    uint32_t len;
};
/* A valid frame at the start of bytes?  1; 0 no; -EAGAIN: perhaps, given
 * *need bytes. */
int spool_frame_unpack(const char *bytes, size_t len, uint64_t seed,
                       struct frame *out, size_t *need);

/* Numbers of a header, of a segment and of a frame: little-endian, where they lie. */
static inline uint32_t
segment_get32(const char *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return le32toh(v);
}

static inline uint64_t
segment_get64(const char *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return le64toh(v);
}

/* A window onto a file.  Blocks that cannot be read appear as zeros, and
 * unreadable counts them. */
struct segment_io {
    int fd;
    uint64_t end; /* nothing is read past it */
    char *buffer;
    size_t cap, len;
    uint64_t offset;
    uint64_t unreadable; /* bytes */
    int strict;          /* fail with -EIO instead */
};
void spool_segment_open(struct segment_io *, int fd, uint64_t end);
void spool_segment_close(struct segment_io *);
/* At least len bytes at offset, or what is left before end (*got).  NULL with
 * *got a negative errno. */
const char *spool_segment_view(struct segment_io *, uint64_t offset, size_t len,
                               int64_t *got);

/* Walk the frames of a segment in order. */
struct segment_scan {
    struct segment_io *io;
    uint64_t seed;
    uint64_t first;    /* position of the segment */
    uint64_t offset;   /* of the next frame */
    uint64_t position; /* it should have */
    uint64_t limit;    /* positions stay below */
    uint64_t far;      /* behind the last of the frames, by place */
    int sought;        /* it began elsewhere than at the first frame */
    int order;         /* of frames, if that was looked at */
    int looks;
    int64_t hash_budget;
};
enum { SCAN_UNKNOWN, SCAN_ORDERED, SCAN_MOVED };
struct segment_gap {
    uint64_t offset, end;  /* bytes; end < offset: the next one is before */
    uint64_t first, last;  /* positions missing; first > last: none */
};
enum { SCAN_END, SCAN_FRAME, SCAN_GAP };
/* From the segment's first frame on, or from one at offset. */
void spool_scan_start(struct segment_scan *, struct segment_io *, uint64_t seed,
                      uint64_t first, uint64_t limit);
void spool_scan_seek(struct segment_scan *, uint64_t offset, uint64_t position);
/* SCAN_FRAME fills frame, SCAN_GAP gap (a valid frame follows), SCAN_END:
 * nothing valid comes any more.  Or a negative errno.  The frames come in order
 * of position, and each that is whole comes, wherever damage has put it. */
int spool_scan_next(struct segment_scan *, struct frame *,
                    struct segment_gap *);
/* Where ends what was begun behind the last frame, once the scan has met
 * SCAN_END?  At the scan's offset if nothing was.  Or a negative errno. */
int64_t spool_scan_tail(struct segment_scan *, int reused);

/* --- the spool --- */

struct spool_segment_mark {
    uint64_t position, offset;
};

/* A segment in the list.  All fields under list_lock. */
struct segment {
    uint64_t first;
    uint64_t last; /* first > last: no frame yet */
    uint64_t end;  /* where its durable frames end */
    int64_t written_us;
    uint32_t refs; /* readers; the list itself is one */
    int gone;      /* retention has let it go */
    uint32_t marks_count, marks_cap;
    struct spool_segment_mark *marks;
};

struct spool_buffer {
    char *data;
    size_t len;
    uint64_t first;
    uint64_t count;
};

struct spool_hold {
    struct spool *spool;
    struct spool_hold *next;
    char *name;
    uint64_t position;
    int soft; /* atomic */
};

struct spool_notifier {
    void (*fn)(void *arg, uint64_t up_to, int error);
    void *arg;
};
#define SPOOL_NOTIFIERS 8

/* A range that cannot be read, once reported. */
struct spool_damage {
    uint64_t segment, offset;
};
#define SPOOL_DAMAGE_MAX 4096

/* A file that waits to be used again. */
struct spool_spare {
    uint64_t first; /* of the segment it was; names it */
    uint64_t size;
};
#define SPOOL_SPARES 2

struct spool {
    struct spool_options opt;
    char *dir;
    int dirfd;
    uint8_t id[16];
    char id_text[UUID_TEXT];
    uint64_t seed;

    /* appending: protects down to the next lock */
    pthread_mutex_t lock;
    pthread_cond_t work; /* the writer: something to do */
    pthread_cond_t room; /* appenders: the buffer was taken */
    pthread_cond_t news; /* the announcer: a failure to announce */
    pthread_cond_t synced; /* spool_flush(): a group is durable, or never */
    struct spool_buffer buffers[2];
    int current;       /* the one that takes appends */
    int writer_idle;
    int pushed;        /* somebody waits for what is in the current buffer */
    int flushers;      /* in spool_flush() */
    int room_waiters;
    int draining;      /* spool_advance() waits for empty buffers */
    uint64_t next;     /* position of the next append */
    int health;        /* 0; -ENOSPC: tried again; -EIO: for ever */
    int failing;       /* error that has yet to be announced; appends fail */
    uint64_t refused;  /* size of an append that met a limit; 0 once it would
                        * fit */
    int start_segment; /* the next group begins a new segment ... */
    uint64_t prev_last; /* ... whose header says so */
    int stop, announce_stop;
    int cause; /* errno of the last write that failed, negative; under lock */
    char why[256];
    struct spool_notifier notifiers[SPOOL_NOTIFIERS];
    int notifier_count;

    /* the writer's own */
    int fd;                 /* the newest segment, when it takes frames */
    struct segment *newest; /* last in the list, or NULL */
    uint64_t file_end;      /* its blocks have been written up to here */
    int reused;             /* ... with older frames, and not with zeros */
    int dirty_tail;         /* bytes of a withdrawn group may be left */
    int retain_now;         /* a segment was begun */
    struct spool_spare spares[SPOOL_SPARES];
    int spare_count;
    int last_fd;            /* DIR/LAST, or -1 */
    uint64_t hinted;        /* what it says */
    int64_t hint_us, tick_us, probe_us, drain_us;
    uint64_t drain_bytes;
    int unlinked;           /* the directory has to be synced some time */
    pthread_t writer, announcer;
    int threads;          /* how many of the two run */

    /* segments and readers */
    pthread_mutex_t list_lock;
    pthread_cond_t grown;
    uint32_t waiting;
    struct segment **segments;
    size_t segment_count, segment_cap;
    struct spool_hold *holds;
    struct spool_damage *damage;
    size_t damage_count;

    /* set_back.c */
    pthread_mutex_t set_back_lock;     /* held by who counts one */
    struct spool_set_backs *set_backs; /* atomic; NULL: there was none */
    int set_back_counted;              /* by this process */

    /* atomics */
    uint64_t durable, bytes, written, free_bytes, syncs, damaged, drain_rate;
    uint64_t spare_bytes;
    uint64_t aside_bytes; /* of copies in damaged/ */
};

#define LOAD(x) __atomic_load_n(&(x), __ATOMIC_ACQUIRE)
#define STORE(x, v) __atomic_store_n(&(x), (v), __ATOMIC_RELEASE)
#define ADD(x, v) __atomic_add_fetch(&(x), (v), __ATOMIC_ACQ_REL)
#define SUB(x, v) __atomic_sub_fetch(&(x), (v), __ATOMIC_ACQ_REL)

/* spool.c */

/* id.c */
int spool_id_read(int dirfd, uint8_t uuid[16]);
int spool_id_write(int dirfd, const uint8_t uuid[16]);
int spool_hint_open(struct spool *, uint64_t *last);
void spool_hint_write(struct spool *, uint64_t last);

/* set_back.c */
int spool_set_backs_open(struct spool *);
void spool_set_backs_close(struct spool *);

/* recover.c */
int spool_recover(struct spool *, struct spool_recovery *);

/* whole.c: frames that only count together, while the newest segment is read */
struct whole {
    uint64_t known; /* up to here all was durable: what is missing is damage */
    int open;       /* more frames belong to those since `first` */
    uint64_t first, offset;
    uint64_t gap_last; /* the last position of the last gap */
    int moved; /* frames are not where they were written: all are kept */
    struct segment_gap
        *parts; /* of some that are not whole, to be taken away */
    size_t count, cap;
};
/* The next frame, gap.  0 or -ENOMEM. */
int spool_whole_frame(struct whole *, const struct frame *);
int spool_whole_gap(struct whole *, const struct segment_gap *);
/* The frames end before `position`.  1: they are to be cut at whole->offset,
 * before whole->first. */
int spool_whole_ends_torn(const struct whole *, uint64_t position);
/* Overwrite with zeros what is not whole.  0 or a negative errno. */
int spool_whole_clear(struct whole *, int fd);

/* list.c: under list_lock, except spool_segment_new */
struct segment *spool_segment_new(uint64_t first);
void spool_segment_put(struct segment *);
int spool_list_reserve(struct spool *); /* room for one: 0, -ENOMEM */
int spool_list_add(struct spool *, struct segment *);
void spool_list_remove(struct spool *, size_t i);
/* The first segment that may hold position or what comes after it; NULL. */
struct segment *spool_list_find(struct spool *, uint64_t position);
void spool_segment_mark(struct segment *, uint64_t position, uint64_t offset);
/* The best place to look for position from. */
struct spool_segment_mark spool_segment_lookup(const struct segment *,
                                               uint64_t position);

/* damage.c */
/* Report once: log, copy aside.  fd -1: a whole segment that is not there. */
void spool_damage_report(struct spool *, int fd, uint64_t segment,
                         const struct segment_gap *, const char *what);
/* The torn end of the newest segment. */
void spool_damage_torn(struct spool *, int fd, uint64_t segment,
                       const struct segment_gap *);
/* Sum up what is in damaged/: it counts into max_size until somebody removes
 * it. */
void spool_damage_measure(struct spool *);
/* Move a file that is no segment of this spool to damaged/. */
int spool_damage_aside(int dirfd, const char *name, const char *why,
                       const char *dir);

/* write.c */
/* 0 or why `more` bytes are not taken now.  Under the lock. */
int spool_refused(struct spool *, uint64_t more);
int spool_write_start(struct spool *);
void spool_write_stop(struct spool *);
/* group.c: the writer's calls */
int spool_group_write(struct spool *, struct spool_buffer *, int *final);
int spool_group_probe(struct spool *);
void spool_group_rotate(struct spool *);
/* spare.c: files to be used again; the writer's calls, but for the
 * first */
/* Remove what an earlier process has left. */
void spool_spare_forget(struct spool *);
/* Keep the file of a segment that goes, whose frames end at `end`, if there is
 * a use for it.  0, or a negative errno: it is where it was.  The caller syncs
 * the directory before the next take. */
int spool_spare_keep(struct spool *, uint64_t first, uint64_t end);
/* Is another one wanted? */
int spool_spare_wanted(const struct spool *);
/* Open one.  name: what it is called.  Its descriptor, or a negative errno. */
int spool_spare_take(struct spool *, char name[SEGMENT_NAME], uint64_t *size);
/* The same with a new one, of no bytes, for the segment that begins there. */
int spool_spare_make(struct spool *, char name[SEGMENT_NAME], uint64_t first);
/* Remove all. */
void spool_spare_drop(struct spool *);
/* retain.c: the writer's tick */
void spool_retain_tick(struct spool *, int64_t now_us);

#endif
