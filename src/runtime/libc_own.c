/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of libc that would ask the host behind the platform's back, in place of its own. What
 * libcrypto seeds its generators with comes from the platform; the calendar needs no file of the host
 * to be read and parsed for a time zone; the stack of a thread that ends is kept as it is. */
#include "runtime/libc_own.h"
#include "platform/host.h"
#include "platform/ops.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define DAY 86400
#define DAYS_400_YEARS 146097 /* the calendar repeats */

ssize_t getrandom(void *bytes, size_t size, unsigned flags)
{
    (void)flags;
    int r = platform()->random(bytes, size);
    if (r < 0) {
        errno = -r;
        return -1;
    }
    return (ssize_t)size;
}

int getentropy(void *bytes, size_t size)
{
    return size <= 256 && getrandom(bytes, size, 0) == (ssize_t)size ? 0 : -1;
}

static _Thread_local bool g_thread_ends;

void libc_thread_ends(void)
{
    g_thread_ends = true;
}

/* What libc itself calls, under its own name for it. */
int madvise(void *start, size_t size, int advice)
{
    if (g_thread_ends && advice == MADV_DONTNEED)
        return 0;
    long r = host_call(SYS_madvise, start, size, advice);
    if (r < 0)
        errno = (int)-r;
    return r < 0 ? -1 : 0;
}

int libc_madvise(void *start, size_t size, int advice) __asm__("__madvise")
    __attribute__((alias("madvise"), nothrow, leaf));

static bool is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_of_month(int64_t year, int month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month] + (month == 1 && is_leap(year));
}

struct tm *gmtime_r(const time_t *clock, struct tm *ret)
{
    int64_t days = *clock / DAY, rest = *clock % DAY, year = 1970;
    if (rest < 0) {
        rest += DAY;
        days--;
    }
    *ret = (struct tm){.tm_hour = (int)(rest / 3600),
                       .tm_min = (int)(rest / 60 % 60),
                       .tm_sec = (int)(rest % 60),
                       .tm_wday = (int)(((days + 4) % 7 + 7) % 7),
                       .tm_zone = "GMT"};
    int64_t cycles = days / DAYS_400_YEARS - (days % DAYS_400_YEARS < 0);
    days -= cycles * DAYS_400_YEARS;
    year += cycles * 400;
    for (int in_year; days >= (in_year = 365 + is_leap(year)); days -= in_year)
        year++;
    if (year - 1900 != (int)(year - 1900)) {
        errno = EOVERFLOW;
        return NULL;
    }
    ret->tm_year = (int)(year - 1900);
    ret->tm_yday = (int)days;
    for (int in_month; days >= (in_month = days_of_month(year, ret->tm_mon)); days -= in_month)
        ret->tm_mon++;
    ret->tm_mday = (int)days + 1;
    return ret;
}
