/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/dav/dav_parse.h"
#include "tap.h"

#include <errno.h>
#include <stdio.h>

static struct arena arena;
static struct dav_body body;
static struct dav_if header;

static int parse(const char *text)
{
    return dav_body_parse(&arena, slice_of_text(text), &body);
}

static int parse_if(const char *text)
{
    return dav_if_parse(&arena, slice_of_text(text), &header);
}

TEST(propfind)
{
    CHECK(parse("") == 0 && body.kind == DAV_PROPFIND_ALL); /* no body asks for all */
    CHECK(parse("<propfind xmlns='DAV:'><allprop/><include><x xmlns=''/></include></propfind>") ==
              0 &&
          body.kind == DAV_PROPFIND_ALL && body.name_count == 1); /* allprop with include */
    CHECK(parse("<D:propfind xmlns:D='DAV:'><D:propname/></D:propfind>") == 0 &&
          body.kind == DAV_PROPFIND_NAMES); /* propname */
    CHECK(parse("<D:propfind xmlns:D='DAV:' xmlns:z='urn:z'><D:prop><z:a/><b/><D:getetag>"
                "<z:ignored/></D:getetag></D:prop><z:prop><z:c/></z:prop></D:propfind>") == 0 &&
          body.kind == DAV_PROPFIND_SOME && body.name_count == 3 &&
          strcmp(body.names[0].ns, "urn:z") == 0 && strcmp(body.names[0].local, "a") == 0 &&
          strcmp(body.names[1].ns, "") == 0 && strcmp(body.names[2].ns, DAV_NS) == 0);
}

TEST(proppatch)
{
    CHECK(parse("<D:propertyupdate xmlns:D='DAV:' xmlns:z='u&lt;'><D:set><D:prop><z:a q='1&quot;' "
                "z:r='2' xml:lang='de'>x&amp;y<b>&#13;</b></z:a></D:prop></D:set><D:remove><D:prop>"
                "<z:c/></D:prop></D:remove></D:propertyupdate>") == 0 &&
          body.kind == DAV_PROPPATCH && body.change_count == 2 &&
          !body.changes[1].value); /* a change and a removal, in order */
    CHECK_TEXT(body.changes[0].value,
               "<a xmlns=\"u&lt;\" q=\"1&quot;\" xmlns:a1=\"u&lt;\" a1:r=\"2\" xml:lang=\"de\">"
               "x&amp;y<b xmlns=\"\">&#13;</b></a>");
    CHECK(parse("<propertyupdate xmlns='DAV:'><set><prop/></set></propertyupdate>") == 0 &&
          body.change_count == 0); /* nothing to change */
}

TEST(lockinfo)
{
    CHECK(
        parse("<lockinfo xmlns='DAV:'><lockscope><shared/></lockscope><locktype><write/></locktype>"
              "<owner>me</owner></lockinfo>") == 0 &&
        body.kind == DAV_LOCKINFO && body.is_shared); /* a shared lock */
    CHECK_TEXT(body.owner, "<owner xmlns=\"DAV:\">me</owner>");
    CHECK(parse("<lockinfo xmlns='DAV:'><lockscope><exclusive/></lockscope></lockinfo>") ==
          -EBADMSG); /* no type */
    CHECK(parse("<lockinfo xmlns='DAV:'><locktype><write/></locktype></lockinfo>") ==
          -EBADMSG); /* no scope */
    CHECK(
        parse("<lockinfo xmlns='DAV:'><lockscope><local/></lockscope><locktype><write/></locktype>"
              "</lockinfo>") == -EBADMSG); /* an unknown scope */
}

TEST(refusals)
{
    char text[8192];
    size_t size = 0;
    CHECK(parse("<a/>") == -EBADMSG);                               /* another root */
    CHECK(parse("<propfind/>") == -EBADMSG);                        /* a root of no namespace */
    CHECK(parse("<propfind xmlns='DAV:'>") == -EBADMSG);            /* cut */
    CHECK(parse("<!DOCTYPE a><propfind xmlns='DAV:'/>") == -EPERM); /* a DOCTYPE */
    size = (size_t)snprintf(text, sizeof text, "<propfind xmlns='DAV:'>");
    for (int i = 0; i < DAV_DEPTH_MAX; i++)
        size += (size_t)snprintf(text + size, sizeof text - size, "<x>");
    CHECK(parse(text) == -EBADMSG); /* too deep */
    size = (size_t)snprintf(text, sizeof text, "<propfind xmlns='DAV:'><prop>");
    for (int i = 0; i <= DAV_NAMES_MAX; i++)
        size += (size_t)snprintf(text + size, sizeof text - size, "<x%d/>", i);
    (void)snprintf(text + size, sizeof text - size, "</prop></propfind>");
    CHECK(parse(text) == -EBADMSG); /* too many names */
}

TEST(conditions)
{
    CHECK(parse_if("(<urn:a> [\"e\"]) (Not <urn:b>)") == 0 && header.list_count == 2 &&
          header.condition_count == 3 && !header.lists[0].resource && header.lists[1].first == 2 &&
          header.conditions[2].negated); /* lists without a tag */
    CHECK_TEXT(header.conditions[1].text, "\"e\"");
    CHECK(parse_if("<http://h/dav/a> (<urn:a>)(<urn:b>) </dav/b> (Not [W/\"x\"])") == 0 &&
          header.list_count == 3); /* tagged lists */
    CHECK_TEXT(header.lists[1].resource, "http://h/dav/a");
    CHECK_TEXT(header.lists[2].resource, "/dav/b");
    static const char *const bad[] = {"",      " ",         "(",           "()",     "(x)",
                                      "(<a>",  "<a>",       "(<a>) <b>",   "(<a) x", "(Not)",
                                      "<a> x", "(<a>) x()", "<a><b>(<c>)", "(<>)",   "([])"};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
        CHECK(parse_if(bad[i]) == -EBADMSG);
}

TAP_MAIN()
