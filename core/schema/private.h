/* SPDX-License-Identifier: MIT */
/* How the room works: what the payload of an event of a type looks like.
 *
 *   schema.c   declarations as they are built: a tree of nodes an event type
 *   check.c    a payload against its declaration, in one walk over its msgpack
 *   format.c   texts of a known form (uuid, email, uri)
 *   place.c    where a reference leads to in a declaration, to check configs
 *
 * The walk goes down only where a node is declared, so it is no deeper than the
 * declaration, and allocates nothing: the path of a problem is put together
 * from what lies on the stack.  Fields are found by their number in the
 * object's set of names; required ones are counted while they come.
 *
 * Threads.  Built by one thread while the config is read, constant from then
 * on: every thread of the gate checks against the same tree without a lock. */
