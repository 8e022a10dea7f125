/* SPDX-License-Identifier: MIT */
/* A resolver that tests can make hang: loaded with LD_PRELOAD.
 *
 * IL_RESOLVER names a file with lines of `NAME ADDRESS...`.  A name that is
 * there is what the line says, one that is not does not exist; `wait` in place
 * of the addresses does not answer as long as it is there.  Addresses, and the
 * names of programs without that variable, are looked up as ever. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef int lookup_fn(const char *, const char *, const struct addrinfo *,
                      struct addrinfo **);

/* What is known of a name: the rest of its line in `rest`.  0: nothing. */
static int
find(const char *name, char *rest, size_t size)
{
    char line[256];
    size_t n = strlen(name);
    int found = 0;
    FILE *f = fopen(getenv("IL_RESOLVER"), "re");
    while (f && !found && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        if (strncmp(line, name, n) != 0 || line[n] != ' ')
            continue;
        found = 1;
        snprintf(rest, size, "%s", line + n + 1);
    }
    if (f)
        fclose(f);
    return found;
}

int
getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
            struct addrinfo **out)
{
    lookup_fn *real = (lookup_fn *) (uintptr_t) dlsym(RTLD_NEXT, "getaddrinfo");
    struct addrinfo numeric = hints ? *hints : (struct addrinfo){ 0 };
    char rest[256], *more = rest;
    if (!name || !getenv("IL_RESOLVER"))
        return real(name, service, hints, out);
    numeric.ai_flags |= AI_NUMERICHOST;
    int err = real(name, service, &numeric, out);
    if (err != EAI_NONAME || (hints && hints->ai_flags & AI_NUMERICHOST))
        return err;
    for (;;) {
        if (!find(name, rest, sizeof rest))
            return EAI_NONAME;
        if (strcmp(rest, "wait") != 0)
            break;
        nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
    }
    *out = NULL;
    for (char *addr; (addr = strsep(&more, " ")) != NULL;) {
        err = real(addr, service, &numeric, out);
        if (err)
            return err;
        while (*out)
            out = &(*out)->ai_next;
    }
    return 0;
}
