/* SPDX-License-Identifier: Apache-2.0 */
/* Dates and decimals as text: ISO 8601 as XML Schema has it, and decimals without exponents. */
#include "dms/cmis/cmis.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void cmis_date_format(int64_t ms, char text[CMIS_DATE_SIZE])
{
    int64_t seconds = ms / 1000, rest = ms % 1000;
    struct tm tm = {0};
    if (rest < 0) {
        rest += 1000;
        seconds--;
    }
    time_t when = (time_t)seconds;
    if (!gmtime_r(&when, &tm) || tm.tm_year + 1900 > 9999 || tm.tm_year + 1900 < 0) {
        (void)snprintf(text, CMIS_DATE_SIZE, "1970-01-01T00:00:00.000Z");
        return;
    }
    (void)snprintf(text, CMIS_DATE_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
                   (tm.tm_year + 1900) % 10000, (tm.tm_mon + 1) % 100, tm.tm_mday % 100,
                   tm.tm_hour % 100, tm.tm_min % 100, tm.tm_sec % 100, (int)rest);
}

static int digits(const char **at, int count, int *ret)
{
    *ret = 0;
    for (int i = 0; i < count; i++, ++*at) {
        if (**at < '0' || **at > '9')
            return -EINVAL;
        *ret = *ret * 10 + (**at - '0');
    }
    return 0;
}

static int separator(const char **at, char c)
{
    if (**at != c)
        return -EINVAL;
    ++*at;
    return 0;
}

/* Z, +hh:mm or -hh:mm; nothing means UTC. In minutes. */
static int offset_parse(const char **at, int *ret)
{
    int hours = 0, minutes = 0;
    *ret = 0;
    if (**at == 'Z') {
        ++*at;
        return 0;
    }
    if (!**at)
        return 0;
    int sign = **at == '-' ? -1 : 1;
    if (**at != '+' && **at != '-')
        return -EINVAL;
    ++*at;
    if (digits(at, 2, &hours) < 0 || (**at == ':' && separator(at, ':') < 0) ||
        digits(at, 2, &minutes) < 0 || hours > 14 || minutes > 59)
        return -EINVAL;
    *ret = sign * (hours * 60 + minutes);
    return 0;
}

static int fraction_parse(const char **at, int *ret_ms)
{
    int scale = 100;
    *ret_ms = 0;
    if (**at != '.')
        return 0;
    ++*at;
    if (**at < '0' || **at > '9')
        return -EINVAL;
    for (; **at >= '0' && **at <= '9'; ++*at, scale /= 10)
        *ret_ms += (**at - '0') * scale;
    return 0;
}

static bool all_digits(const char *text)
{
    if (*text == '-')
        text++;
    size_t size = strspn(text, "0123456789");
    return size > 0 && size <= 15 && !text[size];
}

int cmis_date_parse(const char *text, int64_t *ret_ms)
{
    struct tm tm = {0};
    int year, month, ms = 0, offset = 0;
    if (all_digits(text)) {
        *ret_ms = strtoll(text, NULL, 10);
        return 0;
    }
    if (digits(&text, 4, &year) < 0 || separator(&text, '-') < 0 || digits(&text, 2, &month) < 0 ||
        separator(&text, '-') < 0 || digits(&text, 2, &tm.tm_mday) < 0)
        return -EINVAL;
    if (*text == 'T' && (separator(&text, 'T') < 0 || digits(&text, 2, &tm.tm_hour) < 0 ||
                         separator(&text, ':') < 0 || digits(&text, 2, &tm.tm_min) < 0 ||
                         separator(&text, ':') < 0 || digits(&text, 2, &tm.tm_sec) < 0 ||
                         fraction_parse(&text, &ms) < 0))
        return -EINVAL;
    if (offset_parse(&text, &offset) < 0 || *text || month < 1 || month > 12 || tm.tm_mday < 1 ||
        tm.tm_mday > 31 || tm.tm_hour > 24 || tm.tm_min > 59 || tm.tm_sec > 60)
        return -EINVAL;
    tm.tm_year = year - 1900;
    tm.tm_mon = month - 1;
    int day = tm.tm_mday, hour = tm.tm_hour;
    int64_t seconds = timegm(&tm);
    if (tm.tm_mday != day && hour != 24)
        return -EINVAL; /* a 31st of a short month */
    *ret_ms = (seconds - (int64_t)offset * 60) * 1000 + ms;
    return 0;
}

/* The fewest digits that give the value back, as d.ddde+xx. */
static void decimal_shortest(double value, char text[64])
{
    for (int precision = 0; precision <= 16; precision++) {
        (void)snprintf(text, 64, "%.*e", precision, value);
        if (strtod(text, NULL) == value)
            return;
    }
}

void cmis_decimal_format(double value, char text[CMIS_DECIMAL_SIZE])
{
    char shortest[64], digits[32];
    size_t count = 0, at = 0;
    decimal_shortest(isfinite(value) ? value : 0, shortest);
    char *e = strchr(shortest, 'e');
    int point = (e ? (int)strtol(e + 1, NULL, 10) : 0) + 1; /* digits before the point */
    for (char *c = shortest; c < (e ? e : shortest) && count < sizeof digits; c++)
        if (*c >= '0' && *c <= '9')
            digits[count++] = *c;
    if (shortest[0] == '-')
        text[at++] = '-';
    if (point <= 0)
        text[at++] = '0';
    for (int i = 0; i < point; i++)
        text[at++] = (size_t)i < count ? digits[i] : '0';
    text[at++] = '.';
    for (int i = point; i < 0; i++)
        text[at++] = '0';
    for (size_t i = (size_t)MAX(point, 0); i < count; i++)
        text[at++] = digits[i];
    if (text[at - 1] == '.')
        text[at++] = '0';
    text[at] = 0;
}
