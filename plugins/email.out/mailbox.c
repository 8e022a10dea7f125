/* SPDX-License-Identifier: MIT */
#include "mailbox.h"

#include "../webhook.out/scrub.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LOCAL_MAX 64
#define LABEL_MAX 63
#define NAME_MAX 128

#define ALNUM                                                                  \
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"                                               \
    "abcdefghijklmnopqrstuvwxyz"                                               \
    "0123456789"

/* Without those that some servers take for a way on, a program or a file:
 * % ! | / and `. */
#define LOCAL "#$&'*+-=?^_{}~"

/* Parts of these characters with a dot between each two of them. */
static int
is_dotted(const char *text, size_t len, const char *of, size_t most)
{
    size_t part = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '.') {
            if (!part)
                return 0;
            part = 0;
        } else if (!text[i] || !strchr(of, text[i]) || ++part > most) {
            return 0;
        }
    }
    return part > 0;
}

/* No label begins or ends with a hyphen. */
static int
has_bad_hyphen(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] == '-'
            && (!i || i + 1 == len || text[i - 1] == '.' || text[i + 1] == '.'))
            return 1;
    return 0;
}

int
mailbox_is_address(const char *text, size_t len)
{
    const char *at = len ? memchr(text, '@', len) : NULL;
    if (!at || len > MAILBOX_ADDRESS_MAX)
        return 0;
    const size_t local = (size_t) (at - text), domain = len - local - 1;
    return local <= LOCAL_MAX && is_dotted(text, local, ALNUM LOCAL, LOCAL_MAX)
           && is_dotted(at + 1, domain, ALNUM "-", LABEL_MAX)
           && !has_bad_hyphen(at + 1, domain);
}

/* For people: does it hold nothing that ends a line, or is no UTF-8? */
static int
is_name(const char *text)
{
    size_t n;
    for (const char *p = text; *p; p += n)
        if (!(n = scrub_utf8_len((const unsigned char *) p))
            || (unsigned char) *p < ' ' || *p == 0x7f)
            return 0;
    return strlen(text) <= NAME_MAX;
}

static char *
trimmed(const char *text, size_t len)
{
    while (len && *text == ' ') {
        text++;
        len--;
    }
    while (len && text[len - 1] == ' ')
        len--;
    if (len > 1 && *text == '"' && text[len - 1] == '"')
        return trimmed(text + 1, len - 2);
    return strndup(text, len);
}

int
mailbox_parse(const char *text, struct mailbox *m)
{
    const char *open = strrchr(text, '<');
    const size_t len = strlen(text);
    m->name = NULL;
    m->address = !open ? strdup(text)
                 : text[len - 1] == '>'
                     ? strndup(open + 1, (size_t) (text + len - open) - 2)
                     : strdup("");
    if (open && !(m->name = trimmed(text, (size_t) (open - text))))
        return -ENOMEM;
    if (!m->address)
        return -ENOMEM;
    if (m->name && !*m->name) {
        free(m->name);
        m->name = NULL;
    }
    return mailbox_is_address(m->address, strlen(m->address))
                   && (!m->name || is_name(m->name))
               ? 0
               : -EINVAL;
}

void
mailbox_free(struct mailbox *m)
{
    free(m->name);
    free(m->address);
    m->name = m->address = NULL;
}
