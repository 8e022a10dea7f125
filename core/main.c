/* SPDX-License-Identifier: MIT */
#include <stdio.h>

int
main(void)
{
    fputs("ingestlayer: no commands yet\n", stderr);
    return 2;
}
