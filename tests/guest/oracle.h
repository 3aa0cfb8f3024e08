/* SPDX-License-Identifier: Apache-2.0 */
/* tests/guest/oracle.h: for programs that run on plain Linux and then shielded and must print the
 * same. T(call) prints the call's text and what came of it. */
#ifndef COFFER_TESTS_GUEST_ORACLE_H
#define COFFER_TESTS_GUEST_ORACLE_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define T(call)                                                              \
    do {                                                                     \
        errno = 0;                                                           \
        long oracle_r = (long)(call);                                        \
        if (oracle_r == -1)                                                  \
            printf("%d: %s: %s\n", __LINE__, #call, strerrorname_np(errno)); \
        else                                                                 \
            printf("%d: %s: %ld\n", __LINE__, #call, oracle_r);              \
        fflush(stdout);                                                      \
    } while (0)

#endif
