/* SPDX-License-Identifier: MIT */
#include "secret.h"

#include <gnutls/gnutls.h>

int
secret_equal(const void *said, size_t said_len, const void *secret,
             size_t secret_len)
{
    /* of another length: compared all the same, with itself */
    int same = said_len == secret_len;
    return (gnutls_memcmp(said, same ? secret : said, said_len) == 0) & same;
}
