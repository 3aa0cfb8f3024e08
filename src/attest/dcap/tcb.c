/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/dcap/tcb.h"

#include "attest/dcap/json_strict.h"

#include <errno.h>
#include <string.h>

enum tcb_status tcb_status_with(enum tcb_status platform, enum tcb_status component)
{
    if (platform == TCB_REVOKED || component == TCB_REVOKED)
        return TCB_REVOKED;
    if (component != TCB_OUT_OF_DATE)
        return platform;
    switch (platform) {
    case TCB_UP_TO_DATE:
    case TCB_SW_HARDENING_NEEDED:
        return TCB_OUT_OF_DATE;
    case TCB_CONFIGURATION_NEEDED:
    case TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED:
        return TCB_OUT_OF_DATE_CONFIGURATION_NEEDED;
    default:
        return platform;
    }
}

/* Days from 1970-01-01 to a day of the Gregorian calendar, years from 1970 on. */
static int64_t days_until(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month <= 2 ? year - 1 : year, m = (month + 9) % 12;
    return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

static int64_t digits(const char *text, size_t from, size_t count)
{
    int64_t n = 0;
    for (size_t i = from; i < from + count; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        n = 10 * n + (text[i] - '0');
    }
    return n;
}

int dcap_time_parse(const char *text, int64_t *ret_s)
{
    static const char form[] = "0000-00-00T00:00:00Z";
    static const uint8_t month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (strlen(text) != sizeof form - 1)
        return -EBADMSG;
    for (size_t i = 0; i < sizeof form - 1; i++)
        if (form[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
            return -EBADMSG;
    int64_t year = digits(text, 0, 4), month = digits(text, 5, 2), day = digits(text, 8, 2);
    int64_t hour = digits(text, 11, 2), minute = digits(text, 14, 2), second = digits(text, 17, 2);
    if (year < 1970 || month < 1 || month > 12 || hour > 23 || minute > 59 || second > 59)
        return -EBADMSG;
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (day < 1 || day > month_days[month - 1] + (month == 2 && leap))
        return -EBADMSG;
    *ret_s = 86400 * days_until(year, month, day) + 3600 * hour + 60 * minute + second;
    return 0;
}

void dcap_time_write(int64_t s, char text[DCAP_TIME_TEXT_SIZE])
{
    int64_t days = s / 86400 - (s % 86400 < 0), rest = s - 86400 * days;
    int64_t year = 1970 + days / 366;
    while (days_until(year + 1, 1, 1) <= days)
        year++;
    int64_t month = 12;
    while (days_until(year, month, 1) > days)
        month--;
    snprintf(text, DCAP_TIME_TEXT_SIZE, "%04d-%02d-%02dT%02d:%02d:%02dZ", (int)year, (int)month,
             (int)(days - days_until(year, month, 1) + 1), (int)(rest / 3600),
             (int)(rest / 60 % 60), (int)(rest % 60));
}

/* The end of the JSON object that begins at `at`, counting braces outside of texts; 0: none. The
 * parser proper sees the object afterwards, so this need not judge anything else. */
static size_t object_end(struct slice text, size_t at)
{
    size_t depth = 0;
    bool quoted = false;
    for (size_t i = at; i < text.size; i++) {
        uint8_t c = text.bytes[i];
        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && c == '{')
            depth++;
        else if (!quoted && c == '}' && --depth == 0)
            return i + 1;
    }
    return 0;
}

static bool take_text(struct slice *left, const char *text)
{
    size_t size = strlen(text);
    if (left->size < size || memcmp(left->bytes, text, size) != 0)
        return false;
    *left = slice_of(left->bytes + size, left->size - size);
    return true;
}

int dcap_signed_parse(struct slice document, const char *name, struct dcap_signed *ret_signed)
{
    struct dcap_signed parsed;
    struct slice left = document;
    if (document.size > DCAP_DOCUMENT_SIZE_MAX || !take_text(&left, "{\"") ||
        !take_text(&left, name) || !take_text(&left, "\":"))
        return -EBADMSG;
    size_t end = left.size > 0 && left.bytes[0] == '{' ? object_end(left, 0) : 0;
    if (end == 0)
        return -EBADMSG;
    parsed.object = slice_of(left.bytes, end);
    left = slice_of(left.bytes + end, left.size - end);
    if (!take_text(&left, ",\"signature\":\"") || left.size < 2 * sizeof parsed.signature ||
        hex_decode(slice_of(left.bytes, 2 * sizeof parsed.signature), parsed.signature,
                   sizeof parsed.signature) < 0)
        return -EBADMSG;
    left =
        slice_of(left.bytes + 2 * sizeof parsed.signature, left.size - 2 * sizeof parsed.signature);
    if (!take_text(&left, "\"}"))
        return -EBADMSG;
    while (left.size > 0 && strchr(" \r\n", left.bytes[0]) && left.bytes[0] != 0)
        left = slice_of(left.bytes + 1, left.size - 1);
    if (left.size > 0)
        return -EBADMSG;
    *ret_signed = parsed;
    return 0;
}
