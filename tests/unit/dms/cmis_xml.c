/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/cmis/xml_read.h"
#include "dms/cmis/xml_write.h"
#include "tap.h"

#include <errno.h>

#define NAMESPACES                                                                         \
    " xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'"                                 \
    " xmlns:m='http://docs.oasis-open.org/ns/cmis/messaging/200908/'"                      \
    " xmlns:c='http://docs.oasis-open.org/ns/cmis/core/200908/'"                           \
    " xmlns:r='http://docs.oasis-open.org/ns/cmis/restatom/200908/'"                       \
    " xmlns:x='http://www.w3.org/2004/08/xop/include' xmlns='http://www.w3.org/2005/Atom'" \
    " xmlns:i='http://www.w3.org/2001/XMLSchema-instance'"

static struct arena arena;
static struct buf content;
static struct xml_reader *reader;
static int begins, element_answer;

static int on_element(void *arg, const struct xml_node *node)
{
    (void)arg;
    return xml_is(node, XML_NS_SOAP, "Body") ? element_answer : 0;
}

static int on_begins(void *arg, enum xml_content kind, const struct xml_node *node)
{
    (void)arg, (void)node, (void)kind;
    begins++;
    buf_clear(&content);
    return 0;
}

static int on_content(void *arg, struct slice bytes)
{
    (void)arg;
    return buf_append_slice(&content, bytes);
}

static void done(void)
{
    xml_reader_free(TAKE(reader));
    arena_done(&arena);
    buf_done(&content);
    begins = 0;
}

/* Feeds in two pieces; resumes if suspended. The tree lives until done(). */
static int parse(const char *text, size_t split)
{
    static const struct xml_events events = {on_element, on_begins, on_content, NULL};
    size_t size = strlen(text);
    done();
    REQUIRE(xml_reader_new(&arena, &events, &reader) == 0);
    int r = xml_reader_feed(reader, slice_of(text, split), false);
    if (r == 1)
        r = xml_reader_resume(reader);
    if (r == 0)
        r = xml_reader_feed(reader, slice_of(text + split, size - split), true);
    return r == 1 ? xml_reader_resume(reader) : r;
}

TEST(a_message_is_read_wherever_it_is_split_and_whether_or_not_it_is_suspended)
{
    static const char text[] =
        "<s:Envelope" NAMESPACES "><s:Header><other>&lt;</other></s:Header><s:Body>"
        "<m:createDocument><m:folderId> a&amp;b </m:folderId><m:filter i:nil='true'/>"
        "<c:propertyId propertyDefinitionId='p'><c:value>1</c:value> <c:value>2</c:value>"
        "</c:propertyId><m:stream>aGVs\n bG8=</m:stream></m:createDocument></s:Body></s:Envelope>";
    for (element_answer = 0; element_answer < 2; element_answer++)
        for (size_t split = 0; split < sizeof text; split++) {
            CHECK_EQ(parse(text, split), 0);
            const struct xml_node *body = xml_child(xml_reader_root(reader), XML_NS_SOAP, "Body");
            const struct xml_node *create = xml_child(body, XML_NS_CMISM, "createDocument");
            const struct xml_node *property = xml_child(create, XML_NS_CMIS, "propertyId");
            CHECK_TEXT(xml_child_text(create, XML_NS_CMISM, "folderId"), " a&b ");
            CHECK(!xml_child_text(create, XML_NS_CMISM, "filter"));
            CHECK(!xml_child_text(create, XML_NS_CMISM, "orderBy"));
            CHECK_TEXT(xml_attribute(property, XML_NS_NONE, "propertyDefinitionId"), "p");
            CHECK_EQ(xml_count(property, XML_NS_CMIS, "value"), 2);
            CHECK_TEXT(xml_again(xml_child(property, XML_NS_CMIS, "value"))->text, "2");
            CHECK_TEXT(property->text, "");
            CHECK(slice_is_text(buf_slice(&content), "hello"));
        }
    element_answer = 0;
    done();
}

#define ENTRY(inner) "<entry" NAMESPACES ">" inner "</entry>"
#define OWN "<r:content><r:mediatype>a/b</r:mediatype><r:base64>b3du</r:base64></r:content>"

TEST(what_an_atom_content_holds_is_said_by_its_type)
{
    static const struct {
        const char *text, *content;
    } cases[] = {
        {ENTRY("<content>a &lt;</content>"), "a <"},
        {ENTRY("<content type='text/plain; charset=utf-8'>a</content>"), "a"},
        {ENTRY("<content type='application/pdf'>YQ==</content>"), "a"},
        {ENTRY("<content type='a/b' src='http://x/'/>"), ""},
        {ENTRY("<content>a</content>" OWN), "own"},
        {ENTRY(OWN "<content>a</content>"), "own"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        CHECK_EQ(parse(cases[i].text, 0), 0);
        CHECK(slice_is_text(buf_slice(&content), cases[i].content));
    }
    CHECK_EQ(parse(ENTRY("<content type='xhtml'><div/></content>"), 0), -ENOTSUP);
    CHECK_EQ(parse(ENTRY("<content type='image/svg+xml'>a</content>"), 0), -ENOTSUP);
    CHECK_EQ(parse(ENTRY("<content type='a/b'>YQ==<c:value/></content>"), 0), -EBADMSG);
    CHECK_EQ(parse(ENTRY(OWN OWN), 0), -EBADMSG);
    CHECK_EQ(parse(ENTRY("<content>a</content><content>b</content>"), 0), -EBADMSG);
    done();
}

TEST(what_is_malformed_or_too_much_is_refused)
{
    static const struct {
        int result;
        const char *text;
    } cases[] = {
        {-EPERM, "<!DOCTYPE a><a/>"},
        {-EPERM, "<!DOCTYPE a [<!ENTITY b \"c\"><!ENTITY d \"&b;&b;\">]>" ENTRY("&d;")},
        {-EBADMSG, ""},
        {-EBADMSG, "no xml"},
        {-EBADMSG, "<entry" NAMESPACES ">"},
        {-EBADMSG, ENTRY("") "x"},
        {-EBADMSG, ENTRY("&undefined;")},
        {-EBADMSG, ENTRY("<undeclared:a/>")},
        {-EBADMSG, ENTRY("<m:stream>not*base64</m:stream>")},
        {-EBADMSG, ENTRY("<m:stream>abc</m:stream>")},
        {0, ENTRY("<m:stream> <x:Include href='cid:a'/> </m:stream>")},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
        CHECK_EQ(parse(cases[i].text, 0), cases[i].result);
    done();
}

/* An entry of `count` times `piece`. */
static int parse_many(const char *before, const char *piece, size_t count, const char *after)
{
    struct buf text = {0};
    (void)buf_append_text(&text, before);
    for (size_t i = 0; i < count; i++)
        (void)buf_append_text(&text, piece);
    (void)buf_append_text(&text, after);
    int r = parse(buf_text(&text), text.size);
    buf_done(&text);
    return r;
}

TEST(every_cap_holds)
{
    CHECK_EQ(parse_many("<entry" NAMESPACES ">", "<c:a>", XML_DEPTH_MAX, ""), -E2BIG);
    CHECK_EQ(parse_many("<entry" NAMESPACES ">", "<f xmlns='u:u'>", XML_DEPTH_MAX, ""), -E2BIG);
    CHECK_EQ(parse_many("<entry" NAMESPACES "><c:a>", "1", XML_TEXT_SIZE_MAX, "</c:a></entry>"), 0);
    CHECK_EQ(parse_many("<entry" NAMESPACES "><c:a>", "1", XML_TEXT_SIZE_MAX + 1, ""), -E2BIG);
    CHECK_EQ(parse_many("<entry" NAMESPACES ">", "<c:a/>", XML_ELEMENTS_MAX, ""), -E2BIG);
    CHECK_EQ(parse_many("<entry" NAMESPACES ">", "<c:a>0123456789012345678901234567890</c:a>",
                        XML_MARKUP_SIZE_MAX / 32, ""),
             -E2BIG);
    CHECK_EQ(parse_many("<entry" NAMESPACES " a='", "1", XML_TOKEN_SIZE_MAX, ""), -E2BIG);
    CHECK_EQ(parse_many("<!--", "1", XML_TOKEN_SIZE_MAX + 1, ""), -E2BIG);
    done();
    struct buf text = {0};
    (void)buf_append_text(&text, "<entry");
    for (int i = 0; i <= XML_ATTRIBUTES_MAX; i++)
        (void)buf_printf(&text, " a%d='1'", i);
    (void)buf_append_text(&text, "/>");
    CHECK_EQ(parse(buf_text(&text), 0), -E2BIG);
    buf_done(&text);
    done();
}

TEST(a_content_of_any_size_takes_no_memory)
{
    CHECK_EQ(parse_many("<entry" NAMESPACES "><r:base64>", "QUJD", 1 << 20, "</r:base64></entry>"),
             0);
    CHECK_EQ(content.size, 3 << 20);
    CHECK(arena.size < 4096);
    done();
}

TEST(what_is_written_is_escaped_and_reads_as_it_was)
{
    static const char odd[] = "<a href=\"x\">&amp;\r\n\t'\x01\xef\xbf\xbf\xc3\xa9";
    struct buf out = {0};
    struct xml xml = xml_into(&out);
    xml_declaration(&xml);
    xml_open(&xml, "entry");
    xml_put_attribute(&xml, "a", odd);
    xml_put_attribute(&xml, "none", NULL);
    xml_put_attributef(&xml, "f", "%d<", 7);
    xml_put(&xml, "t", odd);
    xml_put(&xml, "none", NULL);
    xml_put_bool(&xml, "b", true);
    xml_put_int(&xml, "i", INT64_MIN);
    xml_open(&xml, "e");
    xml_close(&xml, "e");
    xml_close(&xml, "entry");
    const char *text = buf_text(&out);
    CHECK(strstr(text, "<e/></entry>") && strstr(text, "<i>-9223372036854775808</i>") &&
          strstr(text, "f=\"7&lt;\""));
    CHECK_EQ(parse(text, 0), 0);
    const char *wanted = "<a href=\"x\">&amp;\r\n\t'\xef\xbf\xbd\xef\xbf\xbd\xc3\xa9";
    CHECK_TEXT(xml_attribute(xml_reader_root(reader), XML_NS_NONE, "a"), wanted);
    CHECK_TEXT(xml_child_text(xml_reader_root(reader), XML_NS_NONE, "t"), wanted);
    buf_done(&out);
    done();
}

TAP_MAIN()
