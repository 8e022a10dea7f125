/* SPDX-License-Identifier: MIT */
/* Becoming somebody with fewer rights, for good. */
#ifndef PRIVILEGES_H
#define PRIVILEGES_H

#include <sys/types.h>

struct identity {
    uid_t uid; /* (uid_t) -1: stay who we are */
    gid_t gid;
    const char *user;
};

/* What is wrong, for whoever says it. */
struct privileges_fault {
    const char *key; /* user, group */
    char why[160];
};

/* Look names up (NULL: not given).  0, -EINVAL: there is no such user or
 * group, -EPERM: only root can become it. */
int privileges_look_up(const char *user, const char *group, struct identity *,
                       struct privileges_fault *);
/* The same, with a log line where it fails. */
int privileges_find(const char *user, const char *group, struct identity *out);
/* 0 or a negative errno after a log line: then do not go on. */
int privileges_become(const struct identity *);
/* Secrets are in our memory: unless allowed, no core dumps, and no reading of
 * it by other processes of the same user. */
void privileges_hide_memory(void);

#endif
