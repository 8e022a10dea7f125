/* SPDX-License-Identifier: MIT */
/* What a start needs of this machine, looked at by check and by run before it
 * touches anything. */
#include "plan.h"

#include "control.h"
#include "privileges.h"
#include "sockets.h"
#include "http/options.h"

#include <errno.h>
#include <libgen.h>
#include <string.h>
#include <sys/stat.h>

static void
check_identity(const struct il_conf *root)
{
    struct identity id;
    struct privileges_fault fault;
    int err = privileges_look_up(option_str(root, "user", 0),
                                 option_str(root, "group", 0), &id, &fault);
    /* Who checks is not always who runs. */
    if (err)
        option_remark(root, fault.key, 0, -1, err == -EPERM, "%s", fault.why);
}

/* Of a state_dir that is missing the last part is made, and no other. */
static void
check_place(struct plan *plan, const char *state_dir)
{
    struct stat st;
    char *folder =
        dirname(conf_strndup(plan->conf, state_dir, strlen(state_dir)));
    if (!stat(state_dir, &st)) {
        if (!S_ISDIR(st.st_mode))
            option_error(plan->root, "state_dir", 0, "%s is not a directory",
                         state_dir);
    } else if (errno == ENOENT && stat(folder, &st) && errno == ENOENT) {
        option_error(plan->root, "state_dir", 0,
                     "cannot make %s: there is no %s to make it in", state_dir,
                     folder);
    } else if (errno == ENOTDIR) {
        option_error(plan->root, "state_dir", 0, "cannot make %s: %s",
                     state_dir, strerror(errno));
    }
}

void
plan_check_start(struct plan *plan, const struct http_inherited *in)
{
    const char *state_dir = option_str(plan->root, "state_dir", 0);
    if (!state_dir && !plan->broken) {
        struct conf_finding at = { .place = conf_place_main(plan->conf),
                                   .key = "state_dir",
                                   .offset = -1 };
        conf_add(plan->conf, &at,
                 "is required to run: the directory for what must survive a "
                 "restart");
    }
    if (conf_errors(plan->conf))
        return;
    check_identity(plan->root);
    check_place(plan, state_dir);
    /* The addresses of a daemon that runs by this config are its own; whoever
     * may not ask for it cannot know. */
    int err = control_answers(state_dir);
    if (err && err != -EACCES && (in || !sockets_may_be_kept())) {
        http_options_check_free(option_group(plan->root, "http", 0), in);
        http_options_check_free(option_group(plan->root, "admin", 0), in);
    }
}
