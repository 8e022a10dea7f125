/* SPDX-License-Identifier: MIT */
#include "replies.h"

/* In the manual, too. */
static const struct code no_service = { "no_service", OUT_LATER,
                                        BREAKER_NO_ANSWER, NULL },
                         auth = { "auth", OUT_PAUSE, 0, "does not let us in" },
                         sender = { "sender", OUT_PAUSE, 0,
                                    "takes no mail from us" },
                         recipient = { "recipient", OUT_DEAD, 0, NULL },
                         mailbox_full = { "mailbox_full", OUT_LATER,
                                          BREAKER_BUSY, NULL },
                         too_large = { "too_large", OUT_DEAD, 0, NULL },
                         refused = { "refused", OUT_DEAD, 0, NULL };

/* The first that fits counts. */
static const struct {
    enum transport_stage first, last;
    long low, high;
    const struct code *code;
} replies[] = {
    { TRANSPORT_GREETING, TRANSPORT_STARTTLS, 500, 599, &no_service },
    { TRANSPORT_AUTH, TRANSPORT_AUTH, 500, 599, &auth },
    { TRANSPORT_FROM, TRANSPORT_END, 530, 530, &auth },
    { TRANSPORT_FROM, TRANSPORT_END, 534, 535, &auth },
    { TRANSPORT_FROM, TRANSPORT_END, 538, 538, &auth },
    { TRANSPORT_TO, TRANSPORT_TO, 552, 552, &mailbox_full },
    { TRANSPORT_FROM, TRANSPORT_END, 552, 552, &too_large },
    { TRANSPORT_FROM, TRANSPORT_FROM, 500, 599, &sender },
    { TRANSPORT_TO, TRANSPORT_TO, 500, 599, &recipient },
    { TRANSPORT_DATA, TRANSPORT_END, 500, 599, &refused },
};

const struct code *
reply_code(enum transport_stage stage, long status)
{
    for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++)
        if (stage >= replies[i].first && stage <= replies[i].last
            && status >= replies[i].low && status <= replies[i].high)
            return replies[i].code;
    return NULL;
}
