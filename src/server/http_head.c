/* SPDX-License-Identifier: Apache-2.0 */
/* The head of a request. llhttp reads the grammar; what it leaves lenient and what request
 * smuggling lives on is refused here first: heads are judged whole, in one buffer, so a slice into
 * it is a header and nothing depends on how the bytes were split. */
#include "server/http_internal.h"

#include <errno.h>
#include <llhttp.h>

struct head_parse {
    struct http_request *req;
    struct http_header *headers;
    size_t capacity;
    size_t count;
    const char *value_end;
    bool complete;
    int status; /* to refuse with, set by a callback */
};

ssize_t http_head_find(struct slice bytes, size_t *scanned)
{
    for (size_t i = *scanned; i < bytes.size; i++) {
        uint8_t c = bytes.bytes[i];
        uint8_t before = i > 0 ? bytes.bytes[i - 1] : 0;
        if ((c == '\n') != (before == '\r') || (c < 0x20 && c != '\t' && c != '\r' && c != '\n') ||
            c == 0x7f)
            return -EBADMSG;
        if (before == '\n' && (c == ' ' || c == '\t'))
            return -EBADMSG; /* a folded header */
        if (c == '\n' && i >= 3 && bytes.bytes[i - 2] == '\n')
            return (ssize_t)(i + 1);
    }
    *scanned = bytes.size;
    return 0;
}

static int on_url(llhttp_t *parser, const char *at, size_t size)
{
    struct head_parse *parse = parser->data;
    struct slice *target = &parse->req->target;
    if (!target->bytes)
        target->bytes = (const uint8_t *)at;
    target->size += size;
    return 0;
}

static int on_header_field(llhttp_t *parser, const char *at, size_t size)
{
    struct head_parse *parse = parser->data;
    if (parse->count == 0 || parse->value_end) {
        if (parse->count == parse->capacity) {
            parse->status = 431;
            return HPE_USER;
        }
        parse->headers[parse->count++].name = slice_of(at, 0);
        parse->value_end = NULL;
    }
    parse->headers[parse->count - 1].name.size += size;
    return 0;
}

static int on_header_value(llhttp_t *parser, const char *at, size_t size)
{
    struct head_parse *parse = parser->data;
    struct slice *value = &parse->headers[parse->count - 1].value;
    if (!value->bytes)
        value->bytes = (const uint8_t *)at;
    /* Spans follow each other in the one buffer; blanks between them belong to the value. */
    parse->value_end = at + size;
    value->size = (size_t)(parse->value_end - (const char *)value->bytes);
    return 0;
}

static int on_header_value_complete(llhttp_t *parser)
{
    struct head_parse *parse = parser->data;
    struct slice *value = &parse->headers[parse->count - 1].value;
    if (!value->bytes) /* empty; llhttp may skip the span */
        *value = slice_of("", 0);
    if (!parse->value_end)
        parse->value_end = (const char *)value->bytes;
    while (value->size > 0 &&
           (value->bytes[value->size - 1] == ' ' || value->bytes[value->size - 1] == '\t'))
        value->size--;
    return 0;
}

static int on_headers_complete(llhttp_t *parser)
{
    struct head_parse *parse = parser->data;
    parse->complete = true;
    return HPE_PAUSED;
}

/* RFC 9110 5.1: a name is a token; llhttp lets an empty one through. */
static int names_check(const struct http_request *req)
{
    for (size_t i = 0; i < req->header_count; i++) {
        struct slice name = req->headers[i].name;
        for (size_t k = 0; k < name.size; k++) {
            uint8_t c = name.bytes[k];
            bool alphanumeric = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
            if (c == 0 || (!alphanumeric && !strchr("!#$%&'*+-.^_`|~", c)))
                return 400;
        }
        if (name.size == 0)
            return 400;
    }
    return 0;
}

static int method_of(const llhttp_t *parser, enum http_method *ret_method)
{
    static const struct {
        uint8_t theirs;
        enum http_method ours;
    } methods[] = {
        {HTTP_GET, HTTP_METHOD_GET},
        {HTTP_HEAD, HTTP_METHOD_HEAD},
        {HTTP_POST, HTTP_METHOD_POST},
        {HTTP_PUT, HTTP_METHOD_PUT},
        {HTTP_PATCH, HTTP_METHOD_PATCH},
        {HTTP_DELETE, HTTP_METHOD_DELETE},
        {HTTP_OPTIONS, HTTP_METHOD_OPTIONS},
        {HTTP_PROPFIND, HTTP_METHOD_PROPFIND},
        {HTTP_PROPPATCH, HTTP_METHOD_PROPPATCH},
        {HTTP_MKCOL, HTTP_METHOD_MKCOL},
        {HTTP_COPY, HTTP_METHOD_COPY},
        {HTTP_MOVE, HTTP_METHOD_MOVE},
        {HTTP_LOCK, HTTP_METHOD_LOCK},
        {HTTP_UNLOCK, HTTP_METHOD_UNLOCK},
    };
    for (size_t i = 0; i < ARRAY_COUNT(methods); i++)
        if (methods[i].theirs == parser->method) {
            *ret_method = methods[i].ours;
            return 0;
        }
    return 501;
}

static size_t header_count_of(const struct http_request *req, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < req->header_count; i++)
        count += http_text_equals(req->headers[i].name, name);
    return count;
}

static bool is_digits(struct slice text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.bytes[i] < '0' || text.bytes[i] > '9')
            return false;
    return text.size > 0 && text.size <= 18;
}

/* RFC 9112 section 6, without any of its leniencies. */
static int body_size_of(const llhttp_t *parser, struct http_request *req)
{
    size_t lengths = header_count_of(req, "Content-Length");
    size_t codings = header_count_of(req, "Transfer-Encoding");
    req->body_size = 0;
    if (lengths + codings == 0)
        return 0;
    if (lengths + codings > 1)
        return 400;
    if (codings == 1) {
        struct slice coding = http_request_header(req, "Transfer-Encoding");
        if (req->version_minor == 0 || !http_text_equals(coding, "chunked"))
            return 400;
        req->body_size = HTTP_SIZE_UNKNOWN;
        return 0;
    }
    if (!is_digits(http_request_header(req, "Content-Length")))
        return 400;
    req->body_size = parser->content_length;
    return 0;
}

static int host_of(struct http_request *req)
{
    size_t count = header_count_of(req, "Host");
    if (count > 1 || (count == 0 && req->version_minor == 1))
        return 400;
    req->host = count ? http_request_header(req, "Host") : slice_of("", 0);
    for (size_t i = 0; i < req->host.size; i++) {
        uint8_t c = req->host.bytes[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
              strchr(".-_:[]", c)))
            return 400;
    }
    return 0;
}

/* "/path?query", "http://host/path?query" as if it were the former, or "*" for OPTIONS. */
static int target_split(struct http_request *req)
{
    struct slice target = req->target;
    for (size_t i = 0; i < target.size; i++)
        if (target.bytes[i] <= ' ' || target.bytes[i] >= 0x7f || target.bytes[i] == '#')
            return 400;
    for (int secure = 0; secure < 2; secure++) {
        const char *scheme = secure ? "https://" : "http://";
        size_t skip = strlen(scheme);
        if (target.size < skip || !http_text_equals(slice_of(target.bytes, skip), scheme))
            continue;
        while (skip < target.size && target.bytes[skip] != '/')
            skip++;
        target = slice_of(target.bytes + skip, target.size - skip);
        break;
    }
    bool star = slice_is_text(target, "*") && req->method == HTTP_METHOD_OPTIONS;
    if (!star && (target.size == 0 || target.bytes[0] != '/'))
        return 400;
    const uint8_t *mark = memchr(target.bytes, '?', target.size);
    size_t path_size = mark ? (size_t)(mark - target.bytes) : target.size;
    req->target = target;
    req->path = slice_of(target.bytes, path_size);
    req->query = mark ? slice_of(mark + 1, target.size - path_size - 1) : slice_of("", 0);
    return 0;
}

static void connection_read(const struct http_request *req, struct http_head *head)
{
    bool close = false, keep = false;
    for (size_t i = 0; i < req->header_count; i++)
        if (http_text_equals(req->headers[i].name, "Connection")) {
            close |= http_list_has(req->headers[i].value, "close");
            keep |= http_list_has(req->headers[i].value, "keep-alive");
        }
    head->keep_alive = !close && (req->version_minor == 1 || keep);
}

static int expect_read(const struct http_request *req, struct http_head *head)
{
    struct slice expect = http_request_header(req, "Expect");
    if (expect.bytes && !http_text_equals(expect, "100-continue"))
        return 417;
    head->expects_continue = expect.bytes && req->version_minor == 1 && req->body_size > 0;
    return 0;
}

static int grammar_refusal(const struct head_parse *parse, int error)
{
    if (parse->status)
        return parse->status;
    if (error == HPE_INVALID_METHOD)
        return 501;
    return error == HPE_INVALID_VERSION || error == HPE_PAUSED_H2_UPGRADE ? 505 : 400;
}

int http_head_parse(struct slice bytes, const struct http_head_limits *limits,
                    struct http_request *req, struct http_head *ret_head)
{
    static const llhttp_settings_t settings = {
        .on_url = on_url,
        .on_header_field = on_header_field,
        .on_header_value = on_header_value,
        .on_header_value_complete = on_header_value_complete,
        .on_headers_complete = on_headers_complete,
    };
    struct head_parse parse = {.req = req, .capacity = limits->headers_max};
    size_t lines = 0;
    for (size_t i = 0; i < bytes.size; i++)
        lines += bytes.bytes[i] == '\n';
    parse.capacity = MIN(parse.capacity, lines);
    parse.headers = arena_alloc(&req->arena, parse.capacity * sizeof(struct http_header));
    if (!parse.headers)
        return 503;

    llhttp_t parser;
    llhttp_init(&parser, HTTP_REQUEST, &settings);
    parser.data = &parse;
    int error = llhttp_execute(&parser, (const char *)bytes.bytes, bytes.size);
    if (!parse.complete)
        return grammar_refusal(&parse, error);
    if (parser.http_major != 1 || parser.http_minor > 1)
        return 505;
    if (req->target.size > limits->target_size_max)
        return 414;
    req->headers = parse.headers;
    req->header_count = parse.count;
    req->version_minor = parser.http_minor;
    int refusal = method_of(&parser, &req->method);
    if (!refusal)
        refusal = names_check(req);
    if (!refusal)
        refusal = host_of(req);
    if (!refusal)
        refusal = body_size_of(&parser, req);
    if (!refusal)
        refusal = target_split(req);
    if (!refusal)
        refusal = expect_read(req, ret_head);
    connection_read(req, ret_head);
    return refusal;
}
