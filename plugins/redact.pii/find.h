/* SPDX-License-Identifier: MIT */
/* Personal data in text: where it is, and what is shown instead.
 *
 * Nothing here allocates, and each byte of a text is looked at a bounded number
 * of times.  Any thread. */
#ifndef FIND_H
#define FIND_H

#include <stddef.h>

enum pii_kind {
    PII_EMAIL = 1, /* RFC 5321 dot-string, also in Unicode, @ or %40, a domain
                    * with a dot */
    PII_IBAN = 2,  /* ISO 13616: the country's length, and the check digits */
    PII_CARD = 4, /* ISO/IEC 7812: 13 to 19 digits from 2 to 6 on, Luhn's sum */
    PII_IP = 8,   /* IPv4 in four parts, IPv6 (RFC 4291) */
    PII_PHONE = 16 /* E.164 with + or 00; the North American forms */
};
#define PII_ALL 31u

/* A piece of a text. */
struct pii {
    unsigned kind;
    size_t at, len;
};

/* The first piece, from a byte on, that is of one of some kinds.  1 and *out, or
 * 0.  What lies before `from` is only looked at for where words begin. */
int pii_find(unsigned kinds, const char *text, size_t len, size_t from,
             struct pii *out);

/* Which kind a text is as a whole, or 0. */
unsigned pii_whole(const char *text, size_t len);

/* Room that what comes of a piece of len bytes takes, at most. */
#define PII_ROOM(len) ((len) + 64)
/* What may be shown of a piece: an email address without its name, the network
 * of an IP address (/24, /48), the country and end of an IBAN, the end of a
 * number.  Its length. */
size_t pii_mask(unsigned kind, const char *text, size_t len, char *out);
/* The one way to write what can be written in several, so that equals are
 * equal.  Its length. */
size_t pii_plain(unsigned kind, const char *text, size_t len, char *out);

#endif
