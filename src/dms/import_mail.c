/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/import_mail.h"

#include "dms/mail_text.h"
#include "server/http.h"

#include <string.h>
#include <strings.h>

static bool ends_in(const char *name, const char *ending)
{
    size_t size = strlen(name), end = strlen(ending);
    return size > end && strcasecmp(name + size - end, ending) == 0;
}

bool mail_is_message(const char *name)
{
    return ends_in(name, ".eml");
}

bool mail_is_mbox(const char *name)
{
    return ends_in(name, ".mbox");
}

/* Without control characters and blanks around it, at most as long as a property, whole characters. */
static struct slice value_clean(struct buf *text)
{
    size_t begin = 0;
    for (size_t i = 0; i < text->size; i++)
        if (text->bytes[i] < ' ' || text->bytes[i] == 0x7f)
            text->bytes[i] = ' ';
    while (begin < text->size && text->bytes[begin] == ' ')
        begin++;
    size_t end = MIN(text->size, begin + (size_t)STORE_PROPERTY_VALUE_MAX);
    while (end < text->size && end > begin && (text->bytes[end] & 0xc0) == 0x80)
        end--;
    while (end > begin && text->bytes[end - 1] == ' ')
        end--;
    struct slice value = slice_of(text->bytes + begin, end - begin);
    return http_is_utf8(value) ? value : slice_of(text->bytes, 0);
}

int mail_properties(struct slice head, struct arena *arena,
                    struct property ret[MAIL_PROPERTIES_MAX], size_t *ret_count)
{
    static const struct {
        const char *field, *property;
    } rows[MAIL_PROPERTIES_MAX] = {{"From", "mail.from"}, {"To", "mail.to"},
                                   {"Cc", "mail.cc"},     {"Subject", "mail.subject"},
                                   {"Date", "mail.date"}, {"Message-ID", "mail.message-id"}};
    size_t count = 0;
    for (size_t i = 0; i < MAIL_PROPERTIES_MAX; i++) {
        SCOPED(buf_done) struct buf text = {0};
        int r = mail_field_read(head, rows[i].field, &text);
        if (r < 0)
            return r;
        struct slice value = text.size > 0 ? value_clean(&text) : (struct slice){0};
        if (value.size == 0)
            continue;
        ret[count] = (struct property){.name = arena_text(arena, slice_of_text(rows[i].property)),
                                       .value = arena_text(arena, value)};
        if (!ret[count].name || !ret[count].value)
            return -ENOMEM;
        count++;
    }
    *ret_count = count;
    return 0;
}

/* An mbox */

static int give(struct mbox *mbox, const uint8_t *bytes, size_t size)
{
    return mbox->number > 0 && size > 0 ? mbox->fn(mbox->arg, mbox->number, slice_of(bytes, size))
                                        : 0;
}

/* The beginning of a line is known: "From " behind an empty one begins a message, ">...>From " loses one
 * '>'. */
static int line_begin(struct mbox *mbox)
{
    const uint8_t *line = mbox->line;
    size_t quotes = 0, size = mbox->line_size;
    while (quotes < size && line[quotes] == '>')
        quotes++;
    bool from = size - quotes >= 5 && memcmp(line + quotes, "From ", 5) == 0;
    mbox->line_size = 0;
    mbox->inside = true;
    if (from && quotes == 0 && mbox->after_blank) {
        mbox->number++;
        mbox->line_size = SIZE_MAX; /* the separator itself is nobody's */
        return 0;
    }
    return give(mbox, line + (from && quotes > 0 ? 1 : 0), size - (from && quotes > 0 ? 1 : 0));
}

static void line_end(struct mbox *mbox, bool was_blank)
{
    mbox->inside = false;
    mbox->line_size = 0;
    mbox->after_blank = was_blank;
}

/* Up to the end of the line; what is behind it comes next. */
static int line_go_on(struct mbox *mbox, struct slice *bytes)
{
    const uint8_t *end = memchr(bytes->bytes, '\n', bytes->size);
    size_t size = end ? (size_t)(end - bytes->bytes) + 1 : bytes->size;
    int r = mbox->line_size == SIZE_MAX ? 0 : give(mbox, bytes->bytes, size);
    *bytes = slice_of(bytes->bytes + size, bytes->size - size);
    if (end)
        line_end(mbox, false);
    return r;
}

int mbox_take(struct mbox *mbox, struct slice bytes)
{
    int r = 0;
    while (r == 0 && bytes.size > 0) {
        if (mbox->inside) {
            r = line_go_on(mbox, &bytes);
            continue;
        }
        uint8_t c = bytes.bytes[0];
        bytes = slice_of(bytes.bytes + 1, bytes.size - 1);
        mbox->line[mbox->line_size++] = c;
        bool ended = c == '\n', blank = ended && (mbox->line_size == 1 ||
                                                  (mbox->line_size == 2 && mbox->line[0] == '\r'));
        if (ended || mbox->line_size == sizeof mbox->line)
            r = line_begin(mbox);
        if (ended)
            line_end(mbox, blank);
    }
    return r;
}

int mbox_end(struct mbox *mbox)
{
    return mbox->inside || mbox->line_size == 0 ? 0 : line_begin(mbox);
}
