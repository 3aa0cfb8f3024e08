/* SPDX-License-Identifier: Apache-2.0 */
/* attest/date.h: days of the Gregorian calendar as Unix time and back, without the C library's time
 * zones, which would read files of the host. Pure. */
#ifndef COFFER_ATTEST_DATE_H
#define COFFER_ATTEST_DATE_H

#include "base/macros.h"

#include <stdint.h>

#define DATE_TEXT_SIZE 32

/* "2024-03-13", from 1970 on, as the start of that day in UTC. 0 or -EINVAL. */
must_check int date_parse(const char *text, int64_t *ret_s);
void date_write(int64_t s, char text[DATE_TEXT_SIZE]);

#endif
