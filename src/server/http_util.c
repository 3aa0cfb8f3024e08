/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP's small vocabulary: names, dates, ranges, entity tags, escapes. No I/O, no connection. */
#include "server/http.h"

#include <errno.h>
#include <stdio.h>

const char *http_method_text(enum http_method method)
{
    static const char *const names[HTTP_METHOD_COUNT] = {
        "GET",      "HEAD",      "POST",  "PUT",  "PATCH", "DELETE", "OPTIONS",
        "PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE",  "LOCK",   "UNLOCK",
    };
    return (unsigned)method < HTTP_METHOD_COUNT ? names[method] : "?";
}

const char *http_status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } texts[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {207, "Multi-Status"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Content"},
        {423, "Locked"},
        {424, "Failed Dependency"},
        {428, "Precondition Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++)
        if (texts[i].status == status)
            return texts[i].text;
    return "Unknown";
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

bool http_text_equals(struct slice a, const char *b)
{
    size_t size = strlen(b);
    if (a.size != size)
        return false;
    for (size_t i = 0; i < size; i++)
        if (lower(a.bytes[i]) != lower((uint8_t)b[i]))
            return false;
    return true;
}

static struct slice trim(struct slice text)
{
    while (text.size > 0 && (text.bytes[0] == ' ' || text.bytes[0] == '\t'))
        text = slice_of(text.bytes + 1, text.size - 1);
    while (text.size > 0 && (text.bytes[text.size - 1] == ' ' || text.bytes[text.size - 1] == '\t'))
        text.size--;
    return text;
}

/* Cuts the part before `mark` off the front of *rest; false at the end. */
static bool cut(struct slice *rest, char mark, struct slice *ret_part)
{
    if (!rest->bytes)
        return false;
    const uint8_t *at = rest->size ? memchr(rest->bytes, mark, rest->size) : NULL;
    size_t size = at ? (size_t)(at - rest->bytes) : rest->size;
    *ret_part = slice_of(rest->bytes, size);
    *rest = at ? slice_of(at + 1, rest->size - size - 1) : (struct slice){0};
    return true;
}

bool http_list_has(struct slice value, const char *token)
{
    struct slice part;
    while (cut(&value, ',', &part))
        if (http_text_equals(trim(part), token))
            return true;
    return false;
}

bool http_etag_matches(struct slice value, const char *etag, bool weak)
{
    struct slice part;
    while (cut(&value, ',', &part)) {
        part = trim(part);
        if (slice_is_text(part, "*"))
            return true;
        if (weak && part.size > 2 && part.bytes[0] == 'W' && part.bytes[1] == '/')
            part = slice_of(part.bytes + 2, part.size - 2);
        if (slice_is_text(part, etag))
            return true;
    }
    return false;
}

/* How many bytes the UTF-8 sequence at the beginning has; 0 if malformed. */
static size_t utf8_size(const uint8_t *s, size_t size)
{
    if (s[0] < 0x80)
        return s[0] != 0;
    size_t need = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4 || size < need)
        return 0;
    for (size_t i = 1; i < need; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
    bool outside = (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf4 && s[1] > 0x8f);
    return overlong || outside ? 0 : need;
}

bool http_is_utf8(struct slice text)
{
    for (size_t i = 0; i < text.size;) {
        size_t size = utf8_size(text.bytes + i, text.size - i);
        if (size == 0)
            return false;
        i += size;
    }
    return true;
}

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int http_decode(struct arena *arena, struct slice text, bool plus_is_blank, char **ret_text)
{
    char *to = arena_alloc(arena, text.size + 1);
    if (!to)
        return -ENOMEM;
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.bytes[i];
        if (c == '%') {
            bool whole = text.size - i > 2;
            int high = whole ? hex_value(text.bytes[i + 1]) : -1;
            int low = whole ? hex_value(text.bytes[i + 2]) : -1;
            if (high < 0 || low < 0)
                return -EINVAL;
            c = (uint8_t)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus_is_blank) {
            c = ' ';
        }
        to[size++] = (char)c;
    }
    if (!http_is_utf8(slice_of(to, size)))
        return -EINVAL;
    *ret_text = to;
    return 0;
}

void http_encode(struct buf *out, const char *text)
{
    for (const char *c = text; *c; c++) {
        bool plain = (*c >= '0' && *c <= '9') || (*c >= 'a' && *c <= 'z') ||
                     (*c >= 'A' && *c <= 'Z') || strchr("-._~", *c);
        (void)buf_printf(out, plain ? "%c" : "%%%02X", (uint8_t)*c);
    }
}

struct slice http_request_header(const struct http_request *req, const char *name)
{
    for (size_t i = 0; i < req->header_count; i++)
        if (http_text_equals(req->headers[i].name, name))
            return req->headers[i].value;
    return (struct slice){0};
}

int http_request_query(struct http_request *req, const char *name, char **ret_value)
{
    struct slice rest = req->query, part, key;
    while (cut(&rest, '&', &part)) {
        char *text;
        if (!cut(&part, '=', &key))
            continue;
        int r = http_decode(&req->arena, key, true, &text);
        if (r < 0)
            return r;
        if (strcmp(text, name) == 0)
            return http_decode(&req->arena, part, true, ret_value);
    }
    return -ENOENT;
}

/* Dates: days from the civil calendar after Howard Hinnant's well-known algorithm, so that no time
 * zone file is ever read. */

static const char day_names[] = "SunMonTueWedThuFriSat";
static const char month_names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

static int64_t days_of(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    unsigned of_era = (unsigned)(year - era * 400);
    unsigned of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * 146097 + (int64_t)(of_era * 365 + of_era / 4 - of_era / 100 + of_year) - 719468;
}

void http_date_format(int64_t unix_s, char *text)
{
    static const int64_t year_9999_s = 253402300799;
    unix_s = MAX((int64_t)0, MIN(unix_s, year_9999_s));
    int64_t days = unix_s / 86400;
    unsigned in_day = (unsigned)(unix_s % 86400);
    int64_t z = days + 719468, era = z / 146097;
    unsigned of_era = (unsigned)(z - era * 146097);
    unsigned year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    unsigned of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned shifted = (5 * of_year + 2) / 153;
    unsigned day = of_year - (153 * shifted + 2) / 5 + 1;
    unsigned month = shifted < 10 ? shifted + 3 : shifted - 9;
    unsigned year = (unsigned)(year_of_era + era * 400 + (month <= 2));
    (void)snprintf(text, HTTP_DATE_SIZE, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT",
                   day_names + 3 * ((days + 4) % 7), day % 100, month_names + 3 * (month - 1),
                   year % 10000, in_day / 3600, in_day / 60 % 60, in_day % 60);
}

static int number_at(struct slice text, size_t at, size_t digits)
{
    int n = 0;
    for (size_t i = at; i < at + digits; i++) {
        if (text.bytes[i] < '0' || text.bytes[i] > '9')
            return -1;
        n = n * 10 + text.bytes[i] - '0';
    }
    return n;
}

int http_date_parse(struct slice text, int64_t *ret_unix_s)
{
    if (text.size != HTTP_DATE_SIZE - 1)
        return -EINVAL;
    int month = -1;
    for (int i = 0; i < 12; i++)
        if (memcmp(text.bytes + 8, month_names + 3 * (size_t)i, 3) == 0)
            month = i + 1;
    int day = number_at(text, 5, 2), year = number_at(text, 12, 4), hour = number_at(text, 17, 2);
    int minute = number_at(text, 20, 2), second = number_at(text, 23, 2);
    if (month < 0 || day < 1 || day > 31 || year < 1970 || hour < 0 || hour > 23 || minute < 0 ||
        minute > 59 || second < 0 || second > 60)
        return -EINVAL;
    int64_t unix_s = days_of(year, (unsigned)month, (unsigned)day) * 86400 + (int64_t)hour * 3600 +
                     (int64_t)minute * 60 + second;
    char again[HTTP_DATE_SIZE]; /* the day's name, the punctuation, 30 February */
    http_date_format(unix_s, again);
    if (memcmp(again, text.bytes, text.size) != 0)
        return -EINVAL;
    *ret_unix_s = unix_s;
    return 0;
}

/* Decimal digits only; false also if there are none or too many. */
static bool number_parse(struct slice text, uint64_t *ret_n)
{
    uint64_t n = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.bytes[i] < '0' || text.bytes[i] > '9')
            return false;
        n = n * 10 + (uint64_t)(text.bytes[i] - '0');
    }
    *ret_n = n;
    return text.size > 0 && text.size <= 18;
}

int http_range_parse(struct slice value, uint64_t size, uint64_t *ret_offset, uint64_t *ret_size)
{
    static const char unit[] = "bytes=";
    if (!value.bytes || value.size < strlen(unit) ||
        !http_text_equals(slice_of(value.bytes, strlen(unit)), unit))
        return -ENOENT;
    struct slice rest = trim(slice_of(value.bytes + strlen(unit), value.size - strlen(unit)));
    struct slice from;
    if (!rest.bytes || memchr(rest.bytes, ',', rest.size) || !cut(&rest, '-', &from) || !rest.bytes)
        return -ENOENT;
    uint64_t first, last;
    if (from.size == 0) { /* the last so many bytes */
        uint64_t count;
        if (!number_parse(rest, &count))
            return -ENOENT;
        if (count == 0 || size == 0)
            return -ERANGE;
        *ret_size = MIN(count, size);
        *ret_offset = size - *ret_size;
        return 0;
    }
    if (!number_parse(from, &first))
        return -ENOENT;
    if (rest.size == 0)
        last = UINT64_MAX;
    else if (!number_parse(rest, &last) || last < first)
        return -ENOENT;
    if (first >= size)
        return -ERANGE;
    *ret_offset = first;
    *ret_size = MIN(last, size - 1) - first + 1;
    return 0;
}
