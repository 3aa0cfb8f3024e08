/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/date.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define DAY_S 86400

static int month_days(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

static int year_days(int year)
{
    return 337 + month_days(year, 2);
}

static int digits(const char *text, int count)
{
    int n = 0;
    for (int i = 0; i < count; i++)
        n = n * 10 + (text[i] - '0');
    return n;
}

int date_parse(const char *text, int64_t *ret_s)
{
    int64_t days = 0;
    if (strlen(text) != 10 || text[4] != '-' || text[7] != '-' || strspn(text, "0123456789") != 4 ||
        strspn(text + 5, "0123456789") != 2 || strspn(text + 8, "0123456789") != 2)
        return -EINVAL;
    int year = digits(text, 4), month = digits(text + 5, 2), day = digits(text + 8, 2);
    if (year < 1970 || month < 1 || month > 12 || day < 1 || day > month_days(year, month))
        return -EINVAL;
    for (int y = 1970; y < year; y++)
        days += year_days(y);
    for (int m = 1; m < month; m++)
        days += month_days(year, m);
    *ret_s = (days + day - 1) * DAY_S;
    return 0;
}

void date_write(int64_t s, char text[DATE_TEXT_SIZE])
{
    int64_t days = s / DAY_S;
    int year = 1970, month = 1;
    if (s < 0 || days > 8000 * 366LL) {
        snprintf(text, DATE_TEXT_SIZE, "%lld", (long long)s);
        return;
    }
    for (; days >= year_days(year); year++)
        days -= year_days(year);
    for (; days >= month_days(year, month); month++)
        days -= month_days(year, month);
    snprintf(text, DATE_TEXT_SIZE, "%04d-%02d-%02d", year, month, (int)days + 1);
}
