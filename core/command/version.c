/* SPDX-License-Identifier: MIT */
/* ingestlayer --version: and, with --verbose, what a report of a bug needs. */
#include <config.h>

#include "private.h"

#include <ingestlayer/plugin.h>

#include <gnutls/gnutls.h>
#include <libconfig.h>
#include <lmdb.h>
#include <msgpack/version_master.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>
#include <xxhash.h>
#include <zlib.h>

/* Those that are linked say which they are; of the others only headers count. */
static void
print_libraries(void)
{
    char pcre2[64] = "";
    pcre2_config(PCRE2_CONFIG_VERSION, pcre2);
    printf("libconfig:      %d.%d.%d\n", LIBCONFIG_VER_MAJOR,
           LIBCONFIG_VER_MINOR, LIBCONFIG_VER_REVISION);
    printf("gnutls:         %s\n", gnutls_check_version(NULL));
    int major, minor, patch;
    mdb_version(&major, &minor, &patch);
    printf("lmdb:           %d.%d.%d\n", major, minor, patch);
    printf("msgpack-c:      %d.%d.%d\n", MSGPACK_VERSION_MAJOR,
           MSGPACK_VERSION_MINOR, MSGPACK_VERSION_REVISION);
    printf("pcre2:          %s\n", pcre2);
    printf("xxhash:         %d.%d.%d\n", XXH_VERSION_MAJOR, XXH_VERSION_MINOR,
           XXH_VERSION_RELEASE);
    printf("zlib:           %s\n", zlibVersion());
}

int
command_version(int argc, char **argv)
{
    int asked = 0, verbose = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--version") == 0)
            asked = 1;
        else if (strcmp(argv[i], "--verbose") == 0)
            verbose = 1;
        else
            asked = -argc; /* never again */
    }
    if (asked < 1) {
        fputs("usage: ingestlayer --version [--verbose]\n", stderr);
        return 2;
    }
    puts("ingestlayer " PACKAGE_VERSION);
    if (!verbose)
        return 0;
    printf("plugin ABI:     %d.%d\n", IL_ABI_MAJOR, IL_ABI_MINOR);
    puts("config:         " COMMAND_CONF_DEFAULT);
    puts("plugin folder:  " PLUGINDIR);
#ifdef HAVE_SYSTEMD
    puts("systemd:        yes");
#else
    puts("systemd:        no");
#endif
    puts("compiler:       " __VERSION__);
    puts("flags:          " IL_BUILD_FLAGS);
    print_libraries();
    return 0;
}
