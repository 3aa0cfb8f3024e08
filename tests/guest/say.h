/* SPDX-License-Identifier: Apache-2.0 */
/* tests/guest/say.h: each line that a guest program prints must be the same natively and shielded,
 * so it prints results and errors by name, never addresses, times or process ids. */
#ifndef COFFER_TESTS_GUEST_SAY_H
#define COFFER_TESTS_GUEST_SAY_H

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The result of a call: its value, or the error's name. */
#define SAY(call_)                                                              \
    do {                                                                        \
        errno = 0;                                                              \
        long say_ = (long)(call_);                                              \
        if (say_ == -1 && errno)                                                \
            printf("%d: %s = -%s\n", __LINE__, #call_, strerrorname_np(errno)); \
        else                                                                    \
            printf("%d: %s = %ld\n", __LINE__, #call_, say_);                   \
        fflush(stdout);                                                         \
    } while (0)

/* Only whether it is true. */
#define SAY_TRUE(condition_) \
    (printf("%d: %s: %s\n", __LINE__, #condition_, (condition_) ? "yes" : "no"), fflush(stdout))

#endif
