/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/soap_parse.h"
#include "tap.h"

#include <errno.h>

#define OPEN                                                                 \
    "<s:Envelope xmlns:s='" SOAP_NS_ENVELOPE "' xmlns:m='" SOAP_NS_MESSAGING \
    "' xmlns:c='" SOAP_NS_CORE "' xmlns:w='" SOAP_NS_WSSE "' xmlns:x='" SOAP_NS_XOP "'>"
#define CLOSE "</s:Envelope>"
#define CREATE(stream)                                                                            \
    OPEN "<s:Header><other>&lt;</other><w:Security><w:UsernameToken><w:Username>a&amp;da</"       \
         "w:Username>"                                                                            \
         "<w:Password>se cret</w:Password></w:UsernameToken></w:Security></s:Header><s:Body>"     \
         "<m:createDocument><m:repositoryId>coffer</m:repositoryId><m:properties>"                \
         "<c:propertyString propertyDefinitionId='cmis:name'><c:value>n</c:value>"                \
         "</c:propertyString><c:propertyString propertyDefinitionId='other'><c:value>o</c:value>" \
         "</c:propertyString></m:properties><m:folderId>7</m:folderId><m:contentStream>"          \
         "<m:mimeType>a/b</m:mimeType><m:stream>" stream "</m:stream></m:contentStream>"          \
         "</m:createDocument></s:Body>" CLOSE

static struct arena arena;
static struct buf content;
static int body_answer, bodies;

static int on_body(void *arg)
{
    (void)arg;
    bodies++;
    return body_answer;
}

static int on_content(void *arg, struct slice bytes)
{
    (void)arg;
    return buf_append_slice(&content, bytes);
}

/* Feeds in two pieces; resumes if suspended. */
static int parse(const char *text, size_t split, struct soap_message *ret)
{
    static const struct soap_events events = {on_body, on_content, NULL};
    struct soap_parser *parser;
    size_t size = strlen(text);
    arena_done(&arena);
    buf_done(&content);
    bodies = 0;
    REQUIRE(soap_parser_new(&arena, &events, &parser) == 0);
    int r = soap_parser_feed(parser, slice_of(text, split), false);
    if (r == 1)
        r = soap_parser_resume(parser);
    if (r == 0)
        r = soap_parser_feed(parser, slice_of(text + split, size - split), true);
    if (r == 1)
        r = soap_parser_resume(parser);
    *ret = *soap_parser_message(parser);
    soap_parser_free(parser);
    return r;
}

static void done(void)
{
    arena_done(&arena);
    buf_done(&content);
}

TEST(a_message_is_read_wherever_it_is_split_and_whether_or_not_it_is_suspended)
{
    static const char text[] = CREATE("aGVs\n bG8=");
    struct soap_message message;
    for (body_answer = 0; body_answer < 2; body_answer++)
        for (size_t split = 0; split < sizeof text; split++) {
            CHECK_EQ(parse(text, split, &message), 0);
            CHECK_EQ(bodies, 1);
            CHECK_EQ(message.operation, SOAP_CREATE_DOCUMENT);
            CHECK_TEXT(message.user, "a&da");
            CHECK_TEXT(message.password, "se cret");
            CHECK_TEXT(message.name, "n");
            CHECK_TEXT(message.folder, "7");
            CHECK_TEXT(message.media_type, "a/b");
            CHECK(message.has_content && slice_is_text(buf_slice(&content), "hello"));
        }
    body_answer = 0;
    done();
}

TEST(an_include_names_the_part)
{
    struct soap_message message;
    CHECK_EQ(parse(CREATE("<x:Include href='cid:a@b'/>"), 0, &message), 0);
    CHECK_TEXT(message.content_id, "a@b");
    CHECK(!message.has_content);
    CHECK_EQ(parse(CREATE("<x:Include href='http://a/'/>"), 0, &message), -EBADMSG);
    CHECK_EQ(parse(CREATE("<x:Include/>"), 0, &message), -EBADMSG);
    CHECK_EQ(parse(CREATE("<x:Include href='cid:a'/><x:Include href='cid:b'/>"), 0, &message),
             -EBADMSG);
    done();
}

TEST(what_is_malformed_or_too_much_is_refused)
{
    static const struct {
        int result;
        const char *text;
    } cases[] = {
        {-EPERM, "<!DOCTYPE a><a/>"},
        {-EPERM, "<!DOCTYPE a [<!ENTITY b \"c\">]>" OPEN CLOSE},
        {-EBADMSG, ""},
        {-EBADMSG, "no xml"},
        {-EBADMSG, "<a/>"},
        {-EBADMSG, OPEN},
        {-EBADMSG, OPEN CLOSE "x"},
        {-EBADMSG, OPEN "&undefined;" CLOSE},
        {-EBADMSG, OPEN "<s:Body/><s:Body/>" CLOSE},
        {-EBADMSG, OPEN "<s:Body><m:getContentStream/><m:getContentStream/></s:Body>" CLOSE},
        {-EBADMSG, OPEN "<s:Body><m:getContentStream><m:objectId>1</m:objectId><m:objectId>2"
                        "</m:objectId></m:getContentStream></s:Body>" CLOSE},
        {-EBADMSG, CREATE("not*base64")},
        {-EBADMSG, CREATE("abc")},
    };
    struct soap_message message;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
        CHECK_EQ(parse(cases[i].text, 0, &message), cases[i].result);
    struct buf text = {0};
    (void)buf_append_text(&text, OPEN "<s:Body>");
    for (int i = 0; i < SOAP_DEPTH_MAX; i++)
        (void)buf_append_text(&text, "<a>");
    CHECK_EQ(parse(buf_text(&text), 0, &message), -EBADMSG);
    buf_clear(&text);
    (void)buf_append_text(&text, OPEN "<s:Body><m:getContentStream><m:objectId>");
    for (int i = 0; i < SOAP_TEXT_SIZE_MAX + 1; i++)
        (void)buf_append_byte(&text, '1');
    CHECK_EQ(parse(buf_text(&text), 0, &message), -EBADMSG);
    buf_clear(&text);
    (void)buf_append_text(&text, OPEN "<s:Body>");
    for (size_t i = 0; i < SOAP_MARKUP_SIZE_MAX; i++)
        (void)buf_append_byte(&text, 'x');
    CHECK_EQ(parse(buf_text(&text), 0, &message), -EBADMSG);
    buf_clear(&text);
    (void)buf_append_text(&text, OPEN "<s:Body><m:a");
    for (int i = 0; i < 40; i++)
        (void)buf_printf(&text, " a%d='1'", i);
    (void)buf_append_text(&text, "/></s:Body>" CLOSE);
    CHECK_EQ(parse(buf_text(&text), 0, &message), -EBADMSG);
    buf_done(&text);
    body_answer = -EACCES;
    CHECK_EQ(parse(OPEN "<s:Body/>" CLOSE, 0, &message), -EACCES);
    body_answer = 0;
    done();
}

TEST(an_unknown_operation_is_known_to_be_unknown)
{
    struct soap_message message;
    CHECK_EQ(parse(OPEN "<s:Body><m:query/></s:Body>" CLOSE, 0, &message), 0);
    CHECK_EQ(message.operation, SOAP_UNKNOWN);
    CHECK_EQ(parse(OPEN "<s:Body/>" CLOSE, 0, &message), 0);
    CHECK_EQ(message.operation, SOAP_NONE);
    done();
}

TAP_MAIN()
