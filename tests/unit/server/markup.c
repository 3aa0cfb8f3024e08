/* SPDX-License-Identifier: Apache-2.0 */
#include "server/markup.h"
#include "tap.h"

static const struct {
    const char *text, *as_text, *as_attribute;
} rows[] = {
    {"", "", ""},
    {"plain \xc3\xa4 \xe2\x82\xac \xf0\x9f\x93\x84", "plain \xc3\xa4 \xe2\x82\xac \xf0\x9f\x93\x84",
     "plain \xc3\xa4 \xe2\x82\xac \xf0\x9f\x93\x84"},
    {"<a href=\"x\">&amp;'</a>", "&lt;a href=\"x\"&gt;&amp;amp;'&lt;/a&gt;",
     "&lt;a href=&quot;x&quot;&gt;&amp;amp;&#39;&lt;/a&gt;"},
    {"]]>", "]]&gt;", "]]&gt;"},
    {"a\r\nb\tc", "a&#13;\nb\tc", "a&#13;&#10;b&#9;c"},
    {"\x01\x1f\x7f", "\xef\xbf\xbd\xef\xbf\xbd\x7f", "\xef\xbf\xbd\xef\xbf\xbd\x7f"},
    {"x\xef\xbf\xbey\xef\xbf\xbf", "x\xef\xbf\xbdy\xef\xbf\xbd", "x\xef\xbf\xbdy\xef\xbf\xbd"},
    {"\xef\xbf\xbd\xef\xbf", "\xef\xbf\xbd\xef\xbf", "\xef\xbf\xbd\xef\xbf"},
};

TEST(what_markup_means_something_by_is_escaped_and_nothing_else)
{
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        SCOPED(buf_done) struct buf text = {0}, attribute = {0};
        markup_text(&text, slice_of_text(rows[i].text));
        markup_attribute(&attribute, slice_of_text(rows[i].text));
        CHECK_TEXT(buf_text(&text), rows[i].as_text);
        CHECK_TEXT(buf_text(&attribute), rows[i].as_attribute);
    }
}

TEST(a_text_ends_where_its_slice_does)
{
    SCOPED(buf_done) struct buf out = {0};
    markup_text(&out, slice_of("\xef\xbf\xbe<", 2)); /* half a character more */
    CHECK_EQ(out.size, 2);
    markup_text(&out, (struct slice){0});
    CHECK_EQ(out.size, 2);
}

TAP_MAIN()
