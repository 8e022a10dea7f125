/* SPDX-License-Identifier: MIT */
/* The file of attempts of webhook.out, whatever stands in it.  The first byte
 * says how many places it has, the rest is the file; a record of it whose first
 * eight bytes are 0 gets the sum that it lacks.  What is added comes after the
 * greatest number that stands where it should, and changes nothing else. */
#include "../../plugins/webhook.out/attempts.c"

#include "folder.h"

#define PLACES 8

static unsigned char file[PLACES * RECORD], after[PLACES * RECORD];

static int
holds(uint64_t place, uint64_t places)
{
    const unsigned char *r = file + place * RECORD;
    uint64_t number = get(r + AT_NUMBER, 8);
    return number && number <= UINT64_MAX / 2 && (number - 1) % places == place
           && get(r + AT_SUM, 8) == sum_of(r);
}

static void
read_back(const char *dir, size_t len)
{
    char path[400];
    snprintf(path, sizeof path, "%.120s/%s", dir, ATTEMPTS_FILE);
    int fd = open(path, O_RDONLY);
    memset(after, 0, sizeof after);
    CLAIM(fd >= 0 && read(fd, after, len) >= 0);
    close(fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct attempts_record record = { .position = 1,
                                                   .text = "t",
                                                   .text_len = 1 };
    const uint64_t places = size ? 1 + data[0] % PLACES : 1;
    const size_t room = (size_t) places * RECORD;
    size_t len = size ? size - 1 : 0;
    struct attempts *a;
    char dir[64];
    uint64_t most = 0;
    if (len > room)
        len = room;
    memset(file, 0, sizeof file);
    if (len)
        memcpy(file, data + 1, len);
    for (size_t i = 0; (i + 1) * RECORD <= len; i++)
        if (!get(file + i * RECORD, 8))
            put(file + i * RECORD, sum_of(file + i * RECORD), 8);
    for (uint64_t i = 0; (i + 1) * RECORD <= len; i++) {
        uint64_t number = get(file + i * RECORD + AT_NUMBER, 8);
        if (holds(i, places) && number > most)
            most = number;
    }
    folder_make(dir, "attempts");
    folder_put(dir, ATTEMPTS_FILE, file, len);
    CLAIM(!attempts_open(dir, room, &a));
    attempts_add(a, &record);
    CLAIM(!attempts_write(a));
    attempts_close(a);
    read_back(dir, room);
    const size_t at = (size_t) (most % places) * RECORD;
    CLAIM(get(after + at + AT_NUMBER, 8) == most + 1);
    CLAIM(get(after + at, 8) == sum_of(after + at));
    memcpy(after + at, file + at, RECORD);
    CLAIM(!memcmp(after, file, room));
    folder_remove(dir);
    return 0;
}
