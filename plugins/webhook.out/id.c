/* SPDX-License-Identifier: MIT */
#include "id.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <string.h>

#define HASH 16 /* of the 32 bytes of SHA-256 */

static int
is_plain(const char *text, size_t len)
{
    if (!len || len >= ID_MAX)
        return 0;
    for (size_t i = 0; i < len; i++)
        if (!((text[i] >= 'a' && text[i] <= 'z')
              || (text[i] >= 'A' && text[i] <= 'Z')
              || (text[i] >= '0' && text[i] <= '9') || text[i] == '_'
              || text[i] == '-'))
            return 0;
    return 1;
}

static int
put_number(gnutls_hash_hd_t h, uint64_t n)
{
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t) (n >> (56 - 8 * i));
    return gnutls_hash(h, bytes, sizeof(bytes));
}

/* With its length before it: "a" and "bc" are not "ab" and "c". */
static int
put_text(gnutls_hash_hd_t h, const char *text, size_t len)
{
    int rc = put_number(h, len);
    return rc < 0 || !len ? rc : gnutls_hash(h, text, len);
}

/* RFC 4648, in lower case and without padding: 26 characters. */
static void
base32(const uint8_t bytes[HASH], char *out)
{
    uint32_t bits = 0;
    unsigned have = 0;
    for (size_t i = 0; i < HASH; i++) {
        bits = bits << 8 | bytes[i];
        for (have += 8; have >= 5; have -= 5)
            *out++ =
                "abcdefghijklmnopqrstuvwxyz234567"[bits >> (have - 5) & 31];
    }
    *out++ = "abcdefghijklmnopqrstuvwxyz234567"[bits << (5 - have) & 31];
    *out = 0;
}

int
id_make(const struct id_of *of, char out[ID_MAX])
{
    uint8_t digest[32];
    gnutls_hash_hd_t h;
    if (of->made_by_gate && is_plain(of->id, of->id_len)) {
        memcpy(out, of->id, of->id_len);
        out[of->id_len] = 0;
        return 0;
    }
    if (gnutls_hash_init(&h, GNUTLS_DIG_SHA256) < 0)
        return -ENOMEM;
    int bad = put_text(h, of->source, of->source_len) < 0
              || put_text(h, of->space, of->space_len) < 0
              || put_text(h, of->id, of->id_len) < 0
              || put_number(h, (uint64_t) of->received_us) < 0;
    gnutls_hash_deinit(h, digest);
    memcpy(out, "il_", 3);
    base32(digest, out + 3);
    return bad ? -ENOMEM : 0;
}
