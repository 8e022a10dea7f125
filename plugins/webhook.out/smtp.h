/* SPDX-License-Identifier: MIT */
/* What of a transfer is SMTP's own: whom a mail is from and to, how far the
 * session has come, and what the server last said. */
#ifndef SMTP_H
#define SMTP_H

#include "transport.h"

#include <curl/curl.h>

struct smtp {
    char *from;
    struct curl_slist *to;
    size_t given; /* bytes of the mail that libcurl has */
    enum transport_stage stage;
    size_t recipient; /* of them, whose RCPT was last; from 1 */
    long code;        /* of the reply to the last command; 0: none so far */
    int inside;       /* lines of a reply are still to come */
    int over;         /* we have said goodbye */
};

struct transfer;

/* Take over whom a mail is from and to.  0 or -ENOMEM. */
int smtp_take(struct smtp *, const struct transport_request *);
void smtp_free(struct smtp *);

/* Of an easy handle that sends mail: what is the same for all, and for this
 * transfer.  begin: 0 or -ENOMEM. */
void smtp_set(CURL *, const struct transport_options *);
int smtp_begin(CURL *, struct transfer *);

/* Has the server said what becomes of the mail? */
int smtp_answered(const struct smtp *);
const char *smtp_stage_word(enum transport_stage);

#endif
