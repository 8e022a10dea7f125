/* SPDX-License-Identifier: MIT */

#include "private.h"

#include "base/file.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int
read_at(int fd, void *to, size_t len, uint64_t at)
{
    return file_pread(fd, to, len, at) == (int64_t) len;
}

/* Are all segments that would be mapped in the file? */
static int
is_whole(int fd, const ElfW(Ehdr) *head, uint64_t size)
{
    for (unsigned i = 0; i < head->e_phnum; i++) {
        ElfW(Phdr) p;
        if (!read_at(fd, &p, sizeof(p), head->e_phoff + i * sizeof(p)))
            return 0;
        if (p.p_type == PT_LOAD
            && (p.p_offset > size || p.p_filesz > size - p.p_offset))
            return 0;
    }
    return 1;
}

static const char *
fault_of(int fd)
{
    ElfW(Ehdr) head;
    struct stat st;
    if (fstat(fd, &st) || !S_ISREG(st.st_mode)
        || !read_at(fd, head.e_ident, SELFMAG, 0)
        || memcmp(head.e_ident, ELFMAG, SELFMAG) != 0)
        return "is not a shared object";
    if (!read_at(fd, &head, sizeof(head), 0))
        return "is cut off: copy it again";
    if (head.e_ident[EI_CLASS] != (sizeof(void *) == 8 ? ELFCLASS64
                                                       : ELFCLASS32)
        || head.e_phentsize != sizeof(ElfW(Phdr)))
        return NULL; /* the dynamic linker has words for it */
    return is_whole(fd, &head, (uint64_t) st.st_size)
               ? NULL
               : "is cut off: copy it again";
}

int
loader_is_elf(const char *path, struct il_text *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        text_printf(why, "cannot read %s: %s", path, strerror(errno));
        return 0;
    }
    const char *fault = fault_of(fd);
    close(fd);
    if (fault)
        text_printf(why, "%s %s", path, fault);
    return !fault;
}
