/* SPDX-License-Identifier: MIT */
/* sign KIND ID TIME SECRET...: the headers of a body that comes by stdin, for
 * tests that have them verified by others. */
#include "../sign.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int
main(int argc, char **argv)
{
    static char body[1 << 20];
    static struct sign_header headers[SIGN_HEADERS];
    struct signer s = { .kind = SIGN_STANDARD };
    const char *why = "";
    size_t count;
    if (argc < 5)
        return 2;
    if (!strcmp(argv[1], "ed25519"))
        s.kind = SIGN_ED25519;
    if (!strcmp(argv[1], "ingestlayer"))
        s.kind = SIGN_INGESTLAYER;
    for (int i = 4; i < argc; i++)
        if (signer_add(&s, argv[i], &why)) {
            fprintf(stderr, "secret %d is %s\n", i - 3, why);
            return 1;
        }
    size_t len = fread(body, 1, sizeof(body), stdin);
    if (signer_sign(&s, argv[2], atoll(argv[3]), body, len, headers, &count))
        return 1;
    for (size_t i = 0; i < count; i++)
        printf("%s: %s\n", headers[i].name, headers[i].value);
    signer_free(&s);
    return 0;
}
