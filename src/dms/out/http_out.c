/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/out/http_out.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { HEADERS_SIZE_MAX = 64 << 10, PART_SIZE = 512 };

static void curl_donep(CURL **curl)
{
    curl_easy_cleanup(*curl);
}

static void list_freep(struct curl_slist **list)
{
    curl_slist_free_all(*list);
}

static void url_freep(CURLU **url)
{
    curl_url_cleanup(*url);
}

/* One request's progress. */
struct transfer {
    struct http_out_answer *answer;
    size_t size_max, headers_size;
    bool too_large;
};

/* Where a URL leads. */
struct place {
    char scheme[8], host[PART_SIZE], port[8];
};

static int part_take(CURLU *url, CURLUPart what, char *ret, size_t size)
{
    char *text = NULL;
    if (curl_url_get(url, what, &text, CURLU_DEFAULT_PORT) != CURLUE_OK)
        return -EINVAL;
    int n = snprintf(ret, size, "%s", text);
    curl_free(text);
    return n > 0 && (size_t)n < size ? 0 : -EINVAL;
}

static bool has_part(CURLU *url, CURLUPart what)
{
    char *text = NULL;
    bool has = curl_url_get(url, what, &text, 0) == CURLUE_OK;
    curl_free(text);
    return has;
}

static bool is_plain_text(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text <= ' ' || (unsigned char)*text >= 0x7f)
            return false;
    return true;
}

static int place_of(const char *text, struct place *ret)
{
    SCOPED(url_freep) CURLU *url = curl_url();
    if (!url)
        return -ENOMEM;
    if (strlen(text) > HTTP_OUT_URL_MAX || !is_plain_text(text) ||
        curl_url_set(url, CURLUPART_URL, text, 0) != CURLUE_OK || has_part(url, CURLUPART_USER) ||
        has_part(url, CURLUPART_PASSWORD))
        return -EINVAL;
    int r = part_take(url, CURLUPART_SCHEME, ret->scheme, sizeof ret->scheme);
    if (r == 0)
        r = part_take(url, CURLUPART_HOST, ret->host, sizeof ret->host);
    return r == 0 ? part_take(url, CURLUPART_PORT, ret->port, sizeof ret->port) : r;
}

int http_out_allowed(const char *url, const char *origin, bool plain, struct error *e)
{
    struct place to, allowed;
    int r = place_of(origin, &allowed);
    if (r < 0)
        return error_set(e, r, "'%.200s' is no origin such as https://host.example", origin);
    r = place_of(url, &to);
    if (r < 0)
        return error_set(e, r, "an address at %.200s is malformed", origin);
    if (strcmp(to.scheme, "https") != 0 && !(plain && strcmp(to.scheme, "http") == 0))
        return error_set(e, -EACCES, "%.8s://%.200s does not begin with https://", to.scheme,
                         to.host);
    if (strcmp(to.scheme, allowed.scheme) != 0 || strcasecmp(to.host, allowed.host) != 0 ||
        strcmp(to.port, allowed.port) != 0)
        return error_set(e, -EACCES, "%.8s://%.200s:%.8s is not %.200s, the only place allowed",
                         to.scheme, to.host, to.port, origin);
    return 0;
}

static size_t body_take(char *bytes, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    struct buf *body = &t->answer->body;
    size_t total = size * count;
    if (total > t->size_max - body->size) {
        t->too_large = true;
        return 0;
    }
    return buf_append(body, bytes, total) < 0 ? 0 : total;
}

static size_t header_take(char *bytes, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    size_t total = size * count;
    (void)bytes;
    t->headers_size += total;
    if (t->headers_size > HEADERS_SIZE_MAX) {
        t->too_large = true;
        return 0;
    }
    return total;
}

static int headers_make(const struct http_out_order *order, struct curl_slist **ret)
{
    for (const char *const *header = order->headers; header && *header; header++) {
        struct curl_slist *longer =
            strpbrk(*header, "\r\n") ? NULL : curl_slist_append(*ret, *header);
        if (!longer)
            return strpbrk(*header, "\r\n") ? -EINVAL : -ENOMEM;
        *ret = longer;
    }
    struct curl_slist *longer = curl_slist_append(*ret, "Expect:");
    if (!longer)
        return -ENOMEM;
    *ret = longer;
    return 0;
}

/* The name is verified all the same: only where it leads is said. */
static int resolve_make(const struct http_out_order *order, struct curl_slist **ret)
{
    struct place place;
    char text[2 * PART_SIZE];
    if (!order->address)
        return 0;
    if (strspn(order->address, "0123456789abcdefABCDEF.:") != strlen(order->address) ||
        place_of(order->url, &place) < 0)
        return -EINVAL;
    (void)snprintf(text, sizeof text, "%s:%s:%.100s", place.host, place.port, order->address);
    *ret = curl_slist_append(NULL, text);
    return *ret ? 0 : -ENOMEM;
}

static int bounds_check(const struct http_out_order *order)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "DELETE"};
    bool known = false;
    for (size_t i = 0; i < ARRAY_COUNT(methods); i++)
        known = known || strcmp(order->method, methods[i]) == 0;
    return known && order->size_max <= HTTP_OUT_SIZE_MAX && order->time_ms > 0 &&
                   order->time_ms <= HTTP_OUT_TIME_MAX_MS && order->body.size <= HTTP_OUT_SIZE_MAX
               ? 0
               : -EINVAL;
}

static int curl_prepare(CURL *curl, const struct http_out_order *order, struct curl_slist *headers,
                        struct curl_slist *resolve, struct transfer *transfer, char *why)
{
    CURLcode bad = CURLE_OK;
#define SET(option, value) bad = bad ? bad : curl_easy_setopt(curl, option, value)
    SET(CURLOPT_URL, order->url);
    SET(CURLOPT_PROTOCOLS_STR, order->plain ? "http,https" : "https");
    SET(CURLOPT_CUSTOMREQUEST, order->method);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_USERAGENT, "coffer-dms");
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_TIMEOUT_MS, (long)order->time_ms);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)order->time_ms);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_WRITEFUNCTION, body_take);
    SET(CURLOPT_WRITEDATA, transfer);
    SET(CURLOPT_HEADERFUNCTION, header_take);
    SET(CURLOPT_HEADERDATA, transfer);
    SET(CURLOPT_ERRORBUFFER, why);
    SET(CURLOPT_HTTPHEADER, headers);
    if (resolve)
        SET(CURLOPT_RESOLVE, resolve);
    if (order->ca_file) {
        SET(CURLOPT_CAINFO, order->ca_file);
        SET(CURLOPT_CAPATH, NULL);
    }
    if (order->body.size > 0 || strcmp(order->method, "POST") == 0) {
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)order->body.size);
        SET(CURLOPT_POSTFIELDS, order->body.size ? (const char *)order->body.bytes : "");
    }
#undef SET
    return bad == CURLE_OK ? 0 : bad == CURLE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL;
}

static int errno_of(CURLcode code, const struct transfer *transfer)
{
    if (transfer->too_large)
        return -EFBIG;
    switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
        return -ETIMEDOUT;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
        return -EKEYREJECTED;
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
        return -ECONNREFUSED;
    case CURLE_OUT_OF_MEMORY:
        return -ENOMEM;
    default:
        return -EIO;
    }
}

static void type_take(CURL *curl, struct http_out_answer *answer)
{
    char *type = NULL;
    answer->type[0] = 0;
    if (curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type) == CURLE_OK && type &&
        strlen(type) < sizeof answer->type)
        memcpy(answer->type, type, strlen(type) + 1);
}

int http_out(const struct http_out_order *order, struct http_out_answer *ret_answer,
             struct error *e)
{
    int r = bounds_check(order);
    if (r < 0)
        return error_set(e, r, "a request to %.200s is out of bounds", order->origin);
    r = http_out_allowed(order->url, order->origin, order->plain, e);
    if (r < 0)
        return r;
    char why[CURL_ERROR_SIZE] = "";
    struct transfer transfer = {.answer = ret_answer, .size_max = order->size_max};
    SCOPED(list_freep) struct curl_slist *headers = NULL;
    SCOPED(list_freep) struct curl_slist *resolve = NULL;
    SCOPED(curl_donep) CURL *curl = curl_easy_init();
    r = curl ? headers_make(order, &headers) : -ENOMEM;
    if (r == 0)
        r = resolve_make(order, &resolve);
    if (r == 0)
        r = curl_prepare(curl, order, headers, resolve, &transfer, why);
    if (r < 0)
        return error_set(e, r, "cannot prepare a request to %.200s", order->origin);
    ret_answer->body.size_max = order->size_max;
    CURLcode code = curl_easy_perform(curl);
    if (code != CURLE_OK) {
        r = errno_of(code, &transfer);
        return error_set(e, r, "%.200s: %s", order->origin,
                         transfer.too_large ? "the answer is too large"
                         : why[0]           ? why
                                            : curl_easy_strerror(code));
    }
    long status = 0;
    if (curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK || status < 200 ||
        status > 599)
        return error_set(e, -EIO, "%.200s: no status", order->origin);
    ret_answer->status = (int)status;
    type_take(curl, ret_answer);
    return 0;
}

void http_out_answer_done(struct http_out_answer *answer)
{
    buf_done(&answer->body);
}
