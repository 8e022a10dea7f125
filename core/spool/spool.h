/* SPDX-License-Identifier: MIT */
/* The spool: an append-only log of frames in segments, the only truth there is.
 *
 *   DIR/ID                       the spool's UUID, text; segments have it too
 *   DIR/00000000000000000001.seg segments, named by their first position
 *   DIR/00000000000000000001.old no segments: they went, and are written again
 *   DIR/SETBACKS                 positions, a line each, after which positions
 *                                were given out a second time; none: no file
 *   DIR/LAST                     a hint: positions were given out up to here
 *   DIR/damaged/                 copies of what had to be skipped, and files
 *                                that did not belong
 *
 * A segment begins with 64 bytes: "ILSPOOL1", u32 version (1, or 2: its file
 * was an older segment's before), u32 checksum, UUID, u64 first position, and
 * of the segment before it u64 first position, last position, and where its
 * frames end.  Frames follow, each at a multiple of 8:
 *   u32 length of the body, u32 checksum, u64 position, body, zeros
 * (little-endian).  checksum: low half of XXH3_64bits_withSeed(body, seed),
 * seed being position XOR the first half of the UUID XOR length << 32, so a
 * frame is valid at one place of one spool only.  Zeros may follow the last.
 * The two highest bits of the position are no part of it.  Frames that only
 * count together (spool_gather_whole()) have them: bit 63 says that the next
 * one belongs to it, bit 62 that it belongs to the one before.  Where a start
 * finds some but not all of such frames, and does not know that they were
 * durable, it takes them away.
 *
 * Files are used again, because a sync of blocks that a file has already costs
 * the disk no inode and no journal.  Of the segments that retention lets go at
 * most two are kept, as .old.  The next segment overwrites one of them from its
 * beginning (or a new file, of that name at first), syncs that, gives it its
 * name and syncs the directory, and only then is its first group acknowledged.
 * So whatever a crash leaves, a .seg is a segment and a .old is nothing: a
 * start removes it, as does a clean stop.
 *
 * What such a segment has not yet overwritten are frames of the older one.
 * They are told by their positions, which are all lower than the segment's
 * first: before a file is used again it is cut where its durable frames end,
 * and that is on the disk before it has its new name.  The same keeps events
 * from coming back that were never acknowledged: a start cuts the newest
 * segment where its frames end, a group that could not be written is cut off
 * before the next one, and a file in which a group failed to begin a segment is
 * removed.  And behind each group in such a file there are zeros: to the end of
 * the page, at least as many bytes as the shortest frame has (segment_pad()).
 * If they are there, nothing was torn, whatever follows them; and no page has
 * to be read to be completed.  A segment that another follows is cut at its
 * end, and never read behind it.
 *
 * Positions count from 1.  Within a segment they have no gaps; between two
 * there is one where the end of the first was torn or lost: a position that
 * may have been acknowledged is never given out again.
 *
 * The writer thread groups what was appended and makes it durable with one
 * pwrite and one fdatasync, and tells who waits; of failures the announcer
 * thread tells.  A group that cannot be written is taken back whole and leaves
 * nothing behind (ENOSPC; tried again); a failed fdatasync is final. */
#ifndef SPOOL_H
#define SPOOL_H

#include "base/text.h"
#include "codec/event.h"

struct spool;
struct spool_reader;

struct spool_options {
    const char *dir;
    uint64_t segment_bytes; /* 64 MiB */
    uint64_t buffer_bytes;  /* what may wait for a sync: 8 MiB */
    int64_t retain_us;      /* keep delivered segments this long ... */
    uint64_t retain_bytes;  /* ... while the spool is no larger; 0: no limit */
    uint64_t max_bytes;     /* refuse events above; 0: no limit */
    uint64_t min_free;      /* refuse events when the disk has less left */
};

/* What opening found. */
struct spool_recovery {
    uint64_t first, last;     /* positions; first > last: empty */
    uint64_t torn_bytes;      /* cut from the end of the last segment */
    uint64_t damaged_frames;  /* skipped gaps */
    uint64_t missing;         /* positions that are nowhere */
};

/* Open or make; recovers, syncs what it keeps, starts the threads.  0 or a
 * negative errno after a log line (-EBUSY: another process has it; -ENOTSUP:
 * a newer version wrote it).  Damage never fails it.  Only the newest segment
 * is read: damage in older ones is met by their readers. */
int spool_open(const struct spool_options *, struct spool **out,
               struct spool_recovery *);
/* From now on retain_us, retain_bytes, max_bytes and min_free are these.  Any
 * thread. */
void spool_limit(struct spool *, const struct spool_options *);
/* Write and sync what waits, stop the writer, free. */
void spool_close(struct spool *);

const uint8_t *spool_id(const struct spool *); /* 16 bytes */
const char *spool_id_text(const struct spool *);

/* The spool was set back, by an old backup say: somebody has seen positions
 * after this one, and they are given out again.  Counted durably, once in the
 * life of the process, whoever tells of it and how often (the lowest position
 * counts).  0 or a negative errno.  Any thread. */
int spool_set_back(struct spool *, uint64_t after);
/* How often that was.  Any thread. */
uint32_t spool_set_backs(const struct spool *);
/* What names the event at a position for ever.  Any thread, at the price of a
 * few loads. */
void spool_origin(const struct spool *, uint64_t position,
                  struct event_origin *);

/* Append n bodies; they get the positions *first ... *first + n - 1, and are
 * durable once spool_durable() has reached them.  All or none.  Copies.  Waits
 * while the buffer is full.  0, -ENOSPC (disk, limit, or any write error that
 * may pass), -EIO (a sync has failed: final), -EMSGSIZE (empty, above 64 MiB,
 * or all together more than the buffer), -ESHUTDOWN.  Any thread.
 *
 * Positions of frames that were taken back are given out again.  Whoever
 * remembers a position until it is durable therefore appends and remembers
 * under one lock, and takes that lock in its notify function: until all of
 * those have heard of a failure, appends meet -ENOSPC. */
int spool_append(struct spool *, const struct slice *bodies, uint32_t n,
                 uint64_t *first);
/* The same, for whoever has more to append in a moment: unless much has
 * gathered, the writer waits for spool_push(), spool_flush() or another's
 * spool_append().  So one sync carries all that a round of requests brought.
 * Forgotten, it is written with the writer's next housekeeping, in 2 s. */
int spool_gather(struct spool *, const struct slice *bodies, uint32_t n,
                 uint64_t *first);
/* The same, and of these frames a crash leaves all or none: of others it may
 * leave some, as what is not acknowledged comes again. */
int spool_gather_whole(struct spool *, const struct slice *bodies, uint32_t n,
                       uint64_t *first);
/* The same, in any of these ways. */
#define SPOOL_GATHER 1u
#define SPOOL_WHOLE 2u
/* It is of the lanes, which cannot go on without: it may go past max_bytes and
 * min_free by a segment, so that a spool that is full comes to be less so. */
#define SPOOL_RESERVE 4u
int spool_append_so(struct spool *, const struct slice *bodies, uint32_t n,
                    uint64_t *first, unsigned how);
/* Write what has gathered. */
void spool_push(struct spool *);
/* The same, and wait: until all that was appended before is durable, or the
 * spool has failed, or timeout_us is over.  Any thread, not a notify
 * function. */
void spool_flush(struct spool *, uint32_t timeout_us);
/* The last durable position.  Any thread. */
uint64_t spool_durable(const struct spool *);
/* 0, or the error that new events meet now: -ENOSPC, -EIO.  Any thread. */
int spool_health(struct spool *);
/* The same, but -ENOSPC only where there is no room: else what kept the last
 * write from being made, as -EMFILE.  Any thread. */
int spool_cause(struct spool *);
/* Why, for a person; "" when healthy. */
void spool_health_text(struct spool *, char *out, size_t size);
/* Seconds until the spool is likely to take events again, from the rate at
 * which it drains: 1 ... 3600. */
uint32_t spool_retry_after(struct spool *);

/* Never give out positions up to this one: somebody has seen them used, and the
 * spool has lost them (an old backup, a cut file).  Readers that are opened
 * past the end do it by themselves; holds do not.  0 or -ERANGE.  Any thread,
 * not a notify function. */
int spool_advance(struct spool *, uint64_t position);

/* Be told after each sync (up_to: new durable position), and of failures
 * (error < 0: the frames from up_to + 1 on that were appended are not in the
 * spool and never will be), in order.  Successes come from the writer's thread,
 * which nothing may keep waiting; failures from one of their own, which may
 * take locks that are held across spool_append().  0 or -ENOMEM.  Register
 * before the first append. */
int spool_notify(struct spool *,
                 void (*fn)(void *arg, uint64_t up_to, int error), void *arg);

/* --- readers: one thread each --- */

/* Begin after `position` (0: at the oldest frame there is). 0, -ENOMEM,
 * -ERANGE.  Costs at most a read of 256 KiB, or of one segment when that was
 * written before the process started. */
int spool_reader_open(struct spool *, uint64_t position,
                      struct spool_reader **out);
void spool_reader_close(struct spool_reader *);
/* Read durable frames into text (appended to; only ever up to max_bytes and
 * max_frames, at least one frame; their headers come along).  Calls each(arg,
 * position, offset of the body in text, length) per frame; a negative errno
 * from it leaves that frame for the next read, 1 makes it the last.  *last gets
 * the last position covered, damaged ones included (the spool reports them
 * once), also when 0 is returned.  Waits up to timeout_ms for the first frame.
 * Returns how many frames, 0 on time-out or spool_reader_wake, or a negative
 * errno (-EIO, -EMFILE, -ENOMEM: try again later; blocks that stay unreadable
 * for 30 s count as damage). */
int spool_reader_read(struct spool_reader *, struct il_text *text,
                      size_t max_bytes, uint32_t max_frames,
                      uint32_t timeout_ms, uint64_t *last,
                      int (*each)(void *arg, uint64_t position, size_t offset,
                                  size_t len),
                      void *arg);
/* Make a waiting read return.  Any thread. */
void spool_reader_wake(struct spool_reader *);
/* Go on after another position. */
int spool_reader_seek(struct spool_reader *, uint64_t position);
/* Bytes of durable frames between position and the end (an estimate within
 * one segment's average frame). */
uint64_t spool_backlog_bytes(struct spool *, uint64_t position);

/* Where a segment ends, in bytes. */
uint64_t spool_segment_bytes(const struct spool *);

/* --- retention --- */

/* A name that holds segments back until it has passed them; report progress
 * as often as you like.  Any thread. */
struct spool_hold;
struct spool_hold *spool_hold_new(struct spool *, const char *name,
                                  uint64_t position);
/* A soft one holds nothing back that room has to be made of: where the spool
 * would refuse events, what only soft holds have not passed goes.  Whoever reads
 * behind one finds its next frame further on. */
void spool_hold_soften(struct spool_hold *);
void spool_hold_move(struct spool_hold *, uint64_t position);
uint64_t spool_hold_position(const struct spool_hold *);
void spool_hold_free(struct spool_hold *);

/* The first position of the newest segment: what comes before it may go as soon
 * as it is passed.  0: there is none.  Any thread. */
uint64_t spool_newest_begins(struct spool *);

struct spool_stats {
    uint64_t first, last, durable, bytes, segments, syncs, damaged, free_bytes;
    uint64_t spare_bytes; /* of files that wait to be used again */
};
void spool_stats(struct spool *, struct spool_stats *);

/* --- offline: `ingestlayer spool` --- */

/* The last position that the spool in dir has given out, as far as is written
 * down; a daemon may run on it.  0: nothing is. */
uint64_t spool_hint_read(const char *dir);

/* The UUID of the spool in dir, as text.  0, -ENOENT, -EINVAL (it cannot be
 * read) or another negative errno. */
#define SPOOL_ID_TEXT 37
int spool_id_look(const char *dir, char text[SPOOL_ID_TEXT]);

/* Walk a spool; each damaged range and each frame is reported to fn (body NULL:
 * damage, with a text).  Changes nothing.  beside 0: no process may have it
 * open, else -EBUSY.  beside 1: a daemon may write to it meanwhile; then the
 * walk ends with the last whole frame of the segments that were there when it
 * began, synced or not yet; of what the daemon lets go of meanwhile fn is told
 * as of damage, but it does not count.  Returns the number
 * of damaged ranges or a negative errno. */
int spool_walk(const char *dir, int beside,
               int (*fn)(void *arg, const char *segment, uint64_t offset,
                         uint64_t position, const char *body, size_t len,
                         const char *damage),
               void *arg);
/* The same beside a daemon, of the segments that can have positions from..to;
 * what else is in those comes along.  heads: of each only the first frame.  alone:
 * not beside a daemon. */
struct spool_part {
    uint64_t from, to;
    int heads, alone;
};
int spool_walk_part(const char *dir, const struct spool_part *,
                    int (*fn)(void *arg, const char *segment, uint64_t offset,
                              uint64_t position, const char *body, size_t len,
                              const char *damage),
                    void *arg);
/* The part that can have what came in between these two times (since 1970; with a
 * margin, as clocks jump).  Reads the heads of segments.  0 or a negative errno. */
int spool_part_of(const char *dir, int64_t from_us, int64_t to_us,
                  struct spool_part *out);

#endif
