/* SPDX-License-Identifier: MIT */
/* ingestlayer plugins --verify: a plugin run through what goes wrong in the
 * life of a daemon.  The work is the test host's (sdk/plugin/testhost), which
 * whoever writes plugins has as a library. */
#include "private.h"

#include <errno.h>
#include <string.h>
#include <testhost.h>
#include <unistd.h>

int
command_verify(const char *path, const char *options)
{
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
