/* SPDX-License-Identifier: MIT */
/* How the room works: what every room stands on, and nothing of events.
 *
 *   text  arena  reserve   growable bytes, memory that goes all at once, memory
 *   memory                 for libraries that do not look at malloc(), what is
 *                          given back
 *   file  csv  state_dir   whole reads and writes, CSV, the folder of a daemon
 *   clock  time  timers    the clocks (tests own them), times as text, a thread
 *   rate                   that calls at intervals, token buckets
 *   number  units  fold    texts that mean something, exactly
 *   wtf8  ip
 *   nameset  nearest       sets of names, and "did you mean"
 *   log  metrics           lines on stderr, counters, gauges, histograms
 *   api                    the slot of the table that plugins see
 *
 * Each of them is a header and a file of its own that knows few of the others;
 * there is nothing to be shared here but this page.
 *
 * Threads.  log, metrics, clock and rate may be called from any thread:
 * counters are atomic, registering them and exporting takes a lock of
 * metrics.c, a line of the log is one write().  timers has one thread and one
 * lock, which is not held while it calls.  Everything else belongs to whoever
 * made it. */
