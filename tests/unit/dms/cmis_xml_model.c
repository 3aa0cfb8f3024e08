/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/cmis/xml_model.h"
#include "tap.h"

#include <errno.h>

static struct arena arena;
static struct cmis_call cmis;
static struct xml_reader *reader;

/* The element "r" with `inner` in it. */
static const struct xml_node *parse(const char *inner)
{
    static const struct xml_events events = {0};
    struct user user = {.name = (char *)"ada"};
    xml_reader_free(TAKE(reader));
    arena_done(&arena);
    cmis_call_init(&cmis, NULL, &arena, &user, 0);
    struct buf text = {0};
    (void)buf_printf(&text, "<r xmlns='%s' xmlns:i='%s'>%s</r>", xml_ns_uri(XML_NS_CMIS),
                     xml_ns_uri(XML_NS_XSI), inner);
    REQUIRE(xml_reader_new(&arena, &events, &reader) == 0);
    CHECK_EQ(xml_reader_feed(reader, buf_slice(&text), true), 0);
    buf_done(&text);
    return xml_reader_root(reader);
}

static void done(void)
{
    xml_reader_free(TAKE(reader));
    arena_done(&arena);
}

#define P(kind, id, values) \
    "<property" kind " propertyDefinitionId='" id "'>" values "</property" kind ">"

TEST(properties_are_taken_as_they_were_sent)
{
    CHECK_EQ(xml_take_properties(
                 &cmis, parse(P("String", "s", "<value> a </value><value/>")
                                  P("Integer", "i", "<value> 7\n</value>")
                                      P("DateTime", "none", "") "<propertyOther/><other/>")),
             0);
    CHECK_EQ(cmis.args.properties.count, 3);
    const struct cmis_input_property *items = cmis.args.properties.items;
    CHECK_EQ(items[0].type, CMIS_STRING);
    CHECK_EQ(items[0].count, 2);
    CHECK_TEXT(items[0].values[0], " a ");
    CHECK_TEXT(items[0].values[1], "");
    CHECK_EQ(items[1].type, CMIS_INTEGER);
    CHECK_TEXT(items[1].values[0], "7");
    CHECK_EQ(items[2].count, 0);
    CHECK_TEXT(xml_property_text(&cmis, "i"), "7");
    CHECK(!xml_property_text(&cmis, "none") && !xml_property_text(&cmis, "other"));
    CHECK(cmis_args_has(&cmis, CMIS_IN_PROPERTIES));
    done();
}

TEST(no_properties_and_wrong_ones_are_told_apart)
{
    (void)parse("");
    CHECK_EQ(xml_take_properties(&cmis, NULL), 0);
    CHECK(!cmis_args_has(&cmis, CMIS_IN_PROPERTIES));
    CHECK_EQ(xml_take_properties(&cmis, parse("<propertyId><value>1</value></propertyId>")), -1);
    CHECK_EQ(cmis.error, CMIS_INVALID_ARGUMENT);
    struct buf many = {0};
    for (int i = 0; i <= CMIS_PROPERTIES_MAX; i++)
        (void)buf_append_text(&many, P("Id", "p", ""));
    CHECK_EQ(xml_take_properties(&cmis, parse(buf_text(&many))), -1);
    buf_clear(&many);
    (void)buf_append_text(&many, "<propertyId propertyDefinitionId='p'>");
    for (int i = 0; i <= CMIS_VALUES_MAX; i++)
        (void)buf_append_text(&many, "<value/>");
    (void)buf_append_text(&many, "</propertyId>");
    CHECK_EQ(xml_take_properties(&cmis, parse(buf_text(&many))), -1);
    buf_done(&many);
    done();
}

TEST(an_acl_is_taken_whole_or_not_at_all)
{
    CHECK_EQ(xml_take_acl(&cmis, CMIS_IN_REMOVE_ACES,
                          parse("<permission><principal><principalId>a</principalId></principal>"
                                "<permission>cmis:read</permission><permission>cmis:all"
                                "</permission><direct>false</direct></permission>")),
             0);
    CHECK_EQ(cmis.args.remove_aces.count, 1);
    CHECK_TEXT(cmis.args.remove_aces.aces[0].principal, "a");
    CHECK_EQ(cmis.args.remove_aces.aces[0].count, 2);
    CHECK_TEXT(cmis.args.remove_aces.aces[0].permissions[1], "cmis:all");
    CHECK(!cmis.args.remove_aces.aces[0].direct && !cmis_args_has(&cmis, CMIS_IN_ADD_ACES));
    CHECK_EQ(xml_take_acl(&cmis, CMIS_IN_ADD_ACES, parse("<permission/>")), -1);
    CHECK_EQ(cmis.error, CMIS_INVALID_ARGUMENT);
    done();
}

#define TYPE(inner) "<id>t</id><localName>t</localName><baseId>cmis:document</baseId>" inner
#define DEFINITION(kind, type, inner)                                                   \
    "<property" kind "Definition><id>p</id><propertyType>" type "</propertyType>" inner \
    "</property" kind "Definition>"

TEST(a_type_is_written_as_it_was_taken)
{
    static const char inner[] =
        TYPE("<parentId>cmis:document</parentId><creatable>false</creatable>" DEFINITION(
            "Integer", "integer",
            "<cardinality>multi</cardinality><updatability>oncreate</updatability><required>1"
            "</required><defaultValue><value>3</value></defaultValue><maxValue>10</maxValue>"
            "<minValue>-1</minValue><choice displayName='x'><value>3</value><choice "
            "displayName='y'><value>4</value></choice></choice>") "<contentStreamAllowed>required"
                                                                  "</contentStreamAllowed>");
    CHECK_EQ(xml_take_type(&cmis, parse(inner)), 0);
    const struct cmis_type *type = cmis.args.type;
    CHECK(!type->creatable && type->queryable && type->stream_rule == CMIS_STREAM_REQUIRED);
    CHECK_EQ(type->property_count, 1);
    const struct cmis_property_definition *p = type->properties;
    CHECK(p->multi && p->required && p->updatability == CMIS_ONCREATE && p->has_min && p->has_max);
    CHECK_EQ(p->min.integer, -1);
    CHECK_EQ(p->defaults[0].integer, 3);
    CHECK_EQ(p->choices[0].choices[0].values[0].integer, 4);
    struct buf out = {0};
    struct xml xml = xml_into(&out);
    xml_put_type(&xml, "cmis:type", "cmisra:id", type, true, CMIS_1_1);
    const char *text = buf_text(&out);
    CHECK(strstr(text, "<cmis:type xsi:type=\"cmis:cmisTypeDocumentDefinitionType\" "
                       "cmisra:id=\"t\">"));
    CHECK(strstr(text, "<cmis:cardinality>multi</cmis:cardinality>"));
    CHECK(strstr(text, "<cmis:maxValue>10</cmis:maxValue><cmis:minValue>-1</cmis:minValue>"));
    CHECK(strstr(text, "<cmis:choice displayName=\"y\"><cmis:value>4</cmis:value></cmis:choice>"));
    CHECK(strstr(text, "typeMutability"));
    buf_clear(&out);
    xml_put_type(&xml, "cmis:type", NULL, type, false, CMIS_1_0);
    text = buf_text(&out);
    CHECK(!strstr(text, "typeMutability") && !strstr(text, "Definition>"));
    buf_done(&out);
    done();
}

TEST(what_a_type_cannot_be_is_refused)
{
    static const char *const cases[] = {
        "",
        "<id/>",
        "<id>t</id><baseId>cmis:other</baseId>",
        TYPE("<creatable>perhaps</creatable>"),
        TYPE("<contentStreamAllowed>sometimes</contentStreamAllowed>"),
        TYPE(DEFINITION("Integer", "string", "")),
        TYPE(DEFINITION("Integer", "integer", "<maxValue>1e3</maxValue>")),
        TYPE(DEFINITION("Integer", "integer", "<maxValue>99999999999999999999</maxValue>")),
        TYPE(DEFINITION("Decimal", "decimal", "<precision>33</precision>")),
        TYPE(DEFINITION("Boolean", "boolean", "<defaultValue><value>x</value></defaultValue>")),
        TYPE(DEFINITION("DateTime", "datetime", "<resolution>week</resolution>")),
        TYPE(DEFINITION("DateTime", "datetime",
                        "<choice displayName='a'><value>soon</value></choice>")),
        TYPE("<propertyIdDefinition/>"),
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        CHECK_EQ(xml_take_type(&cmis, parse(cases[i])), -1);
        CHECK_EQ(cmis.error, CMIS_INVALID_ARGUMENT);
    }
    struct buf deep = {0};
    (void)buf_append_text(&deep, TYPE("<propertyIdDefinition><id>p</id>"));
    for (int i = 0; i < 20; i++)
        (void)buf_append_text(&deep, "<choice>");
    for (int i = 0; i < 20; i++)
        (void)buf_append_text(&deep, "</choice>");
    (void)buf_append_text(&deep, "</propertyIdDefinition>");
    CHECK_EQ(xml_take_type(&cmis, parse(buf_text(&deep))), -1);
    buf_done(&deep);
    done();
}

TEST(a_bulk_update_names_objects_and_what_changes)
{
    CHECK_EQ(
        xml_take_bulk(
            &cmis, parse("<objectIdAndChangeToken><id>1</id><changeToken>t"
                         "</changeToken></objectIdAndChangeToken>"
                         "<objectIdAndChangeToken><id>2</id>"
                         "</objectIdAndChangeToken><properties>" P(
                             "Id", "p",
                             "<value>v</value>") "</properties>"
                                                 "<addSecondaryTypeIds>s</addSecondaryTypeIds>")),
        0);
    CHECK_EQ(cmis.args.bulk.count, 2);
    CHECK_TEXT(cmis.args.bulk.items[0].token, "t");
    CHECK(!cmis.args.bulk.items[1].token);
    CHECK_EQ(cmis.args.properties.count, 1);
    CHECK_TEXT(cmis.args.add_secondary.ids[0], "s");
    CHECK_EQ(cmis.args.remove_secondary.count, 0);
    CHECK_EQ(xml_take_bulk(&cmis, parse("<objectIdAndChangeToken/>")), -1);
    done();
}

TEST(an_object_is_written_in_the_schemas_order)
{
    const union cmis_value values[] = {{.integer = 5}, {.integer = -5}};
    const struct cmis_property property = {.id = "a<b",
                                           .query_name = "q",
                                           .type = CMIS_INTEGER,
                                           .multi = true,
                                           .count = 2,
                                           .values = values};
    const char *permission = "cmis:read";
    const struct cmis_ace ace = {"ada", 1, &permission, true};
    const struct cmis_acl acl = {1, &ace, true};
    const struct cmis_object object = {.property_count = 1,
                                       .properties = &property,
                                       .has_actions = true,
                                       .actions = (uint64_t)1 << CMIS_CAN_GET_ACL,
                                       .acl = &acl,
                                       .has_change = true,
                                       .change = CMIS_DELETED,
                                       .change_ms = 0};
    struct buf out = {0};
    struct xml xml = xml_into(&out);
    xml_put_object(&xml, "o", &object);
    const char *text = buf_text(&out);
    CHECK(strstr(text, "<o><cmis:properties><cmis:propertyInteger propertyDefinitionId=\"a&lt;b\" "
                       "queryName=\"q\"><cmis:value>5</cmis:value><cmis:value>-5</cmis:value>"));
    const char *actions = strstr(text, "<cmis:canGetACL>true</cmis:canGetACL>");
    const char *change = strstr(text, "<cmis:changeType>deleted</cmis:changeType>"
                                      "<cmis:changeTime>1970-01-01T00:00:00");
    const char *aces = strstr(text, "<cmis:acl><cmis:permission>");
    const char *exact = strstr(text, "<cmis:exactACL>true</cmis:exactACL></o>");
    CHECK(actions && change && aces && exact && actions < change && change < aces && aces < exact);
    CHECK(strstr(text, "<cmis:canDeleteObject>false</cmis:canDeleteObject>"));
    buf_done(&out);
}

TAP_MAIN()
