/* SPDX-License-Identifier: MIT */
/* main() of a fuzz target in `make check`: gives it each seed as it is, and
 * then, for a second, cut after every byte and with every byte changed a
 * little.
 *
 *   fuzz-NAME [FILE...]    default: all of tests/fuzz/corpus/NAME */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "fuzz.h"

#define SEED_MAX (1 << 20)
#define VARIED_MAX 1024 /* longer seeds are only given as they are */
#define VARIED_S 1

static void
give(const uint8_t *data, size_t size)
{
    /* Exactly as long as the input, so that checkers see a read past it. */
    uint8_t *copy = malloc(size ? size : 1);
    CLAIM(copy);
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void
vary(uint8_t *data, size_t size)
{
    static const uint8_t changes[] = { 0x01, 0x20, 0x80, 0xff };

    time_t end = time(NULL) + VARIED_S;

    for (size_t i = 0; i < size && time(NULL) <= end; i++) {
        uint8_t was = data[i];
        give(data, i);
        for (size_t k = 0; k < sizeof(changes); k++) {
            data[i] = was ^ changes[k];
            give(data, size);
        }
        data[i] = was;
    }
}

static int
replay(const char *path)
{
    static uint8_t data[SEED_MAX];
    FILE *f = fopen(path, "rb");

    if (!f) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return 1;
    }
    size_t size = fread(data, 1, sizeof(data), f);
    fclose(f);
    give(data, size);
    if (size <= VARIED_MAX)
        vary(data, size);
    return 0;
}

/* All files of a folder; how many there were in *count. */
static int
replay_folder(const char *folder, int *count)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    char path[4400];
    int failed = 0;

    if (!dir) {
        fprintf(stderr, "%s: %s\n", folder, strerror(errno));
        return 1;
    }
    while ((entry = readdir(dir))) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        failed |= replay(path);
        ++*count;
    }
    closedir(dir);
    return failed;
}

int
main(int argc, char **argv)
{
    const char *srcdir = getenv("IL_SRCDIR"), *name = strstr(argv[0], "fuzz-");
    char folder[4000];
    int failed = 0, count = 0;

    for (int i = 1; i < argc; i++, count++)
        failed |= replay(argv[i]);
    if (argc == 1) {
        while (name && strstr(name + 1, "fuzz-"))
            name = strstr(name + 1, "fuzz-");
        snprintf(folder, sizeof(folder), "%s/tests/fuzz/corpus/%s",
                 srcdir ? srcdir : ".", name ? name + 5 : "");
        failed = replay_folder(folder, &count);
        if (!failed && count == 0) {
            fprintf(stderr, "%s: no seeds\n", folder);
            failed = 1;
        }
    }
    printf("%d inputs replayed\n", count);
    return failed;
}
