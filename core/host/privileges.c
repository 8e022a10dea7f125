/* SPDX-License-Identifier: MIT */
#include "privileges.h"

#include "base/log.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static int
fault_set(struct privileges_fault *f, int err, const char *key, const char *why,
          const char *name)
{
    f->key = key;
    snprintf(f->why, sizeof(f->why), why, name);
    return err;
}

int
privileges_look_up(const char *user, const char *group, struct identity *out,
                   struct privileges_fault *fault)
{
    *out = (struct identity){ .uid = (uid_t) -1, .gid = (gid_t) -1 };
    if (!user && !group)
        return 0;
    const struct passwd *pw = user ? getpwnam(user) : NULL;
    const struct group *gr = group ? getgrnam(group) : NULL;
    if (user && !pw)
        return fault_set(fault, -EINVAL, "user", "there is no user \"%s\"",
                         user);
    if (group && !gr)
        return fault_set(fault, -EINVAL, "group", "there is no group \"%s\"",
                         group);
    /* Started by that user already, by systemd for example: nothing to do. */
    if (geteuid() != 0) {
        if (pw && pw->pw_uid != geteuid())
            return fault_set(fault, -EPERM, "user",
                             "only root can become \"%s\"", user);
        if (gr && gr->gr_gid != getegid())
            return fault_set(fault, -EPERM, "group",
                             "only root can change the group to \"%s\"", group);
        return 0;
    }
    out->user = user;
    out->uid = pw ? pw->pw_uid : 0;
    out->gid = gr ? gr->gr_gid : pw ? pw->pw_gid : 0;
    return 0;
}

int
privileges_find(const char *user, const char *group, struct identity *out)
{
    struct privileges_fault fault;
    int err = privileges_look_up(user, group, out, &fault);
    if (err)
        log_error("%s: %s", fault.key, fault.why);
    return err;
}

int
privileges_become(const struct identity *id)
{
    if (id->uid == (uid_t) -1)
        return 0;
    /* Groups first: afterwards there is no right to. */
    if ((id->user ? initgroups(id->user, id->gid) : setgroups(0, NULL))
        || setgid(id->gid) || setuid(id->uid)) {
        int err = -errno;
        log_error("cannot become user %ld, group %ld: %s", (long) id->uid,
                  (long) id->gid, strerror(errno));
        return err;
    }
    if (id->uid != 0 && setuid(0) == 0) {
        log_error("could take root's rights back after giving them up");
        return -EPERM;
    }
    return 0;
}

void
privileges_hide_memory(void)
{
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
        log_warn("cannot forbid core dumps: %s", strerror(errno));
}
