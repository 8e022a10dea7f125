/* SPDX-License-Identifier: MIT */
/* ingestlayer plugins --verify: a plugin run through what goes wrong in the
 * life of a daemon.  The work is the test host's (sdk/plugin/testhost), which
 * whoever writes plugins has as a library. */
#include "private.h"

#include <errno.h>
#include <string.h>
#include <testhost.h>
#include <unistd.h>

static int
usage(const char *text, const char *why, const char *what)
{
    fprintf(stderr, "ingestlayer plugins: %s%s\n%s", why, what, text);
    return 2;
}

int
command_verify(int argc, char **argv, const char *text)
{
    if (argc < 3)
        return usage(text, "--verify needs the file of a plugin", "");
    if (argc > 4)
        return usage(text, "unexpected argument ", argv[4]);
    const char *path = argv[2], *options = argc > 3 ? argv[3] : "";
    if (access(path, R_OK)) {
        fprintf(stderr, "ingestlayer: cannot read %s: %s\n", path,
                strerror(errno));
        return 1;
    }
    int result = testhost_verify(path, options, stdout);
    if (result == -EINVAL)
        fprintf(stderr,
                "ingestlayer: %s cannot be verified, since it does not open; "
                "options stand behind the file, as between the braces of a "
                "config: ingestlayer plugins --verify %s 'key = \"value\";'\n",
                path, path);
    else if (result < 0)
        fprintf(stderr, "ingestlayer: %s cannot be verified: %s\n", path,
                strerror(-result));
    else if (!result)
        printf("%s: nothing found\n", path);
    return result != 0;
}
