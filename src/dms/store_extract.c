/* SPDX-License-Identifier: Apache-2.0 */
/* The words of contents, for the full-text index: plain text and what is close to it as it is, HTML
 * and XML without their markup, office documents by the XML in them, PDF as a program of its own has
 * made text of it (store_derived.h), e-mail by its texts. Bytes that are not UTF-8 count as blanks. The contents are
 * anybody's: bounded in size, and nothing in them is followed. */
#include "dms/mail_text.h"
#include "dms/office_text.h"
#include "dms/store_internal.h"
#include "server/http.h"

#include <errno.h>
#include <unistd.h>

/* Of an office document's XML, most of which is markup. */
#define OFFICE_XML_SIZE_MAX (4 * EXTRACT_SIZE_MAX)

enum text_kind { TEXT_NONE, TEXT_PLAIN, TEXT_MARKUP, TEXT_OFFICE, TEXT_PDF, TEXT_MAIL };

static enum text_kind kind_of(const char *type)
{
    static const struct {
        const char *type;
        enum text_kind kind;
    } kinds[] = {
        {"text/html", TEXT_MARKUP},     {"application/xhtml+xml", TEXT_MARKUP},
        {"text/xml", TEXT_MARKUP},      {"application/xml", TEXT_MARKUP},
        {"image/svg+xml", TEXT_MARKUP}, {"application/json", TEXT_PLAIN},
        {"message/rfc822", TEXT_MAIL},  {"application/pdf", TEXT_PDF},
    };
    static const char office[] = "application/vnd.openxmlformats-officedocument.",
                      open_document[] = "application/vnd.oasis.opendocument.";
    struct slice essence = slice_of(type, strcspn(type, "; "));
    if (strncasecmp(type, office, strlen(office)) == 0 ||
        strncasecmp(type, open_document, strlen(open_document)) == 0 ||
        http_text_equals(essence, "application/epub+zip"))
        return TEXT_OFFICE;
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++)
        if (http_text_equals(essence, kinds[i].type))
            return kinds[i].kind;
    return essence.size > 5 && http_text_equals(slice_of(type, 5), "text/") ? TEXT_PLAIN
                                                                            : TEXT_NONE;
}

/* One character of UTF-8 or an end of line, or a blank for a byte that is neither. How many bytes it took. */
static size_t character_append(struct slice rest, struct buf *out)
{
    if (rest.bytes[0] == '\n' || (rest.bytes[0] >= 0x20 && rest.bytes[0] < 0x7f)) {
        (void)buf_append_byte(out, rest.bytes[0]);
        return 1;
    }
    for (size_t size = 2; rest.bytes[0] >= 0xc2 && size <= 4 && size <= rest.size; size++)
        if (http_is_utf8(slice_of(rest.bytes, size))) {
            (void)buf_append(out, rest.bytes, size);
            return size;
        }
    (void)buf_append_byte(out, ' ');
    return 1;
}

static size_t entity_append(struct slice rest, struct buf *out)
{
    static const struct {
        const char *name;
        char character;
    } entities[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&nbsp;", ' '}};
    for (size_t i = 0; i < ARRAY_COUNT(entities); i++) {
        size_t size = strlen(entities[i].name);
        if (rest.size >= size && memcmp(rest.bytes, entities[i].name, size) == 0) {
            (void)buf_append_byte(out, (uint8_t)entities[i].character);
            return size;
        }
    }
    (void)buf_append_byte(out, '&');
    return 1;
}

static bool begins(struct slice rest, const char *word)
{
    size_t size = strlen(word);
    return rest.size >= size && http_text_equals(slice_of(rest.bytes, size), word);
}

/* Where what `end` ends is over, or the end of all. */
static size_t skip_to(struct slice rest, const char *end)
{
    size_t size = strlen(end);
    for (size_t at = 0; at + size <= rest.size; at++)
        if (rest.bytes[at] == (uint8_t)end[0] && begins(slice_of(rest.bytes + at, size), end))
            return at + size;
    return rest.size;
}

/* A script or style: to the `end` tag's own end. */
static size_t element_skip(struct slice rest, const char *end)
{
    size_t size = skip_to(rest, end);
    return size + skip_to(slice_of(rest.bytes + size, rest.size - size), ">");
}

/* Whether a line ends with this tag: of HTML, OOXML and OpenDocument. */
static bool tag_is_break(struct slice rest)
{
    static const char *const breaks[] = {"p",  "br", "h",  "h1", "h2",  "h3",       "h4",
                                         "h5", "h6", "li", "tr", "div", "table-row"};
    size_t at = 1 + (rest.size > 1 && rest.bytes[1] == '/'), begin = at;
    bool ends = at == 2;
    while (at < rest.size && at < 40 && !memchr(" \t\r\n/>", rest.bytes[at], 6))
        if (rest.bytes[at++] == ':')
            begin = at;
    struct slice name = slice_of(rest.bytes + begin, at - begin);
    for (size_t i = 0; i < ARRAY_COUNT(breaks); i++)
        if (http_text_equals(name, breaks[i]))
            return ends || i == 1; /* <br> has no end */
    return false;
}

static size_t tag_skip(struct slice rest)
{
    if (begins(rest, "<!--"))
        return skip_to(rest, "-->");
    if (begins(rest, "<script"))
        return element_skip(rest, "</script");
    if (begins(rest, "<style"))
        return element_skip(rest, "</style");
    return skip_to(rest, ">");
}

static void text_append(enum text_kind kind, struct slice bytes, struct buf *out)
{
    for (size_t at = 0; at < bytes.size && !out->failed;) {
        struct slice rest = slice_of(bytes.bytes + at, bytes.size - at);
        if (kind == TEXT_MARKUP && rest.bytes[0] == '<') {
            at += tag_skip(rest);
            (void)buf_append_byte(out, tag_is_break(rest) ? '\n' : ' ');
        } else if (kind == TEXT_MARKUP && rest.bytes[0] == '&') {
            at += entity_append(rest, out);
        } else {
            at += character_append(rest, out);
        }
    }
}

static int mail_part_append(void *arg, bool markup, struct slice text)
{
    struct buf *out = arg;
    text_append(markup ? TEXT_MARKUP : TEXT_PLAIN, text, out);
    (void)buf_append_byte(out, '\n');
    return 0;
}

struct content_source {
    const struct buf *bytes;
    int fd;
};

static int source_read(void *arg, uint64_t at, void *to, size_t size)
{
    const struct content_source *source = arg;
    if (source->fd < 0) {
        if (at + size > source->bytes->size)
            return -EBADMSG;
        memcpy(to, source->bytes->bytes + at, size);
        return 0;
    }
    for (size_t done = 0; done < size;) {
        ssize_t n = pread(source->fd, (uint8_t *)to + done, size - done, (off_t)(at + done));
        if (n <= 0)
            return n < 0 ? -errno : -EBADMSG;
        done += (size_t)n;
    }
    return 0;
}

/* The XML in an office document; nothing if it is none, or broken. */
static int office_begin(struct store *store, int64_t content, struct buf *xml)
{
    SCOPED(buf_done) struct buf bytes = {0};
    struct content_source from = {&bytes, -1};
    int64_t size = 0;
    int r = content_load(store, content, &bytes, &from.fd, &size);
    const struct office_source source = {source_read, &from, (uint64_t)size};
    if (r == 0)
        r = office_text_read(&source, OFFICE_XML_SIZE_MAX, xml);
    if (from.fd >= 0)
        (void)close(from.fd);
    return r == -EBADMSG ? 0 : r;
}

static int content_begin(struct store *store, int64_t content, struct buf *bytes)
{
    int fd = -1;
    int64_t size;
    int r = content_load(store, content, bytes, &fd, &size);
    if (r < 0 || fd < 0)
        return r;
    size_t wanted = (size_t)MIN((uint64_t)size, EXTRACT_SIZE_MAX);
    uint8_t *place = buf_reserve(bytes, wanted);
    ssize_t n = place ? pread(fd, place, wanted, 0) : -1;
    r = !place ? -ENOMEM : n < 0 ? -EIO : 0;
    if (n > 0)
        bytes->size += (size_t)n;
    (void)close(fd);
    return r;
}

int extract_get(struct store *store, int64_t key, struct buf *out)
{
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_EXTRACT_GET, "i", key);
    int r = stmt ? store_step(store, stmt) : -EIO;
    if (r == 1)
        r = buf_append_text(out, (const char *)sqlite3_column_text(stmt, 0));
    return r;
}

int extract_update(struct store *store, const struct node *node)
{
    SCOPED(buf_done) struct buf bytes = {0}, text = {0};
    if (node->kind != NODE_DOCUMENT)
        return 0;
    enum text_kind kind = node->type && node->content ? kind_of(node->type) : TEXT_NONE;
    int r = kind == TEXT_NONE     ? 0
            : kind == TEXT_PDF    ? derived_text(store, node, &bytes)
            : kind == TEXT_OFFICE ? office_begin(store, node->content, &bytes)
                                  : content_begin(store, node->content, &bytes);
    text.size_max = EXTRACT_SIZE_MAX + 4;
    if (r == 0 && kind == TEXT_MAIL)
        r = mail_text_read(buf_slice(&bytes), mail_part_append, &text);
    else if (r == 0 && bytes.size > 0)
        text_append(kind == TEXT_OFFICE ? TEXT_MARKUP : kind, buf_slice(&bytes), &text);
    text.failed = false; /* what is beyond the largest size is not indexed */
    const char *words = r == 0 ? buf_text(&text) : NULL;
    if (!words)
        return r < 0 ? r : -ENOMEM;
    return *words ? store_run(store, STMT_EXTRACT_SET, "is", node->key, words)
                  : store_run(store, STMT_EXTRACT_CLEAR, "i", node->key);
}

int document_text(struct store *store, const struct node *node, struct buf *out)
{
    int r = node->key > store->indexed ? search_settle_all(store) : 0;
    if (r == 0)
        r = extract_get(store, node->key, out);
    return r < 0 ? r : out->size > 0 ? 0 : -ENOENT;
}

bool extract_knows(const char *type)
{
    return type && kind_of(type) != TEXT_NONE;
}
