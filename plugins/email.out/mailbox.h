/* SPDX-License-Identifier: MIT */
/* Addresses of mail, in the one form that every server takes: a@b.example, of
 * ASCII, without quotes, comments, an address in brackets, or a way by other
 * servers (a%b, a!b).  Nothing that such a
 * text holds can end a header or an SMTP command, or begin another address. */
#ifndef MAILBOX_H
#define MAILBOX_H

#include <stddef.h>

#define MAILBOX_ADDRESS_MAX 254

struct mailbox {
    char
        *name; /* or NULL: what people read; UTF-8 without control characters */
    char *address;
};

int mailbox_is_address(const char *text, size_t len);

/* Read "a@b.example" or "Somebody <a@b.example>".  0; -EINVAL: it is neither; or
 * -ENOMEM.  mailbox_free() is to follow in any case. */
int mailbox_parse(const char *text, struct mailbox *);
void mailbox_free(struct mailbox *);

#endif
