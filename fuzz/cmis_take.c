/* SPDX-License-Identifier: Apache-2.0 */
/* What is taken of a type, properties and ACLs that a client sends, when written, is taken again as
 * the same, and of a type the store can read what it is given; whatever they are, they stay within
 * their caps. */
#include "dms/cmis/model.h"
#include "dms/cmis/xml_model.h"
#include "server/json.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct xml_node *tree_read(struct arena *arena, struct slice bytes,
                                        struct xml_reader **ret_reader)
{
    static const struct xml_events events = {0};
    int r = xml_reader_new(arena, &events, ret_reader);
    assert(r == 0);
    return xml_reader_feed(*ret_reader, bytes, true) == 0 ? xml_reader_root(*ret_reader) : NULL;
}

/* The types of choices nest; texts that are no text of their kind are refused. */
static void type_put(struct buf *out, const struct cmis_type *type)
{
    struct xml xml = xml_into(out);
    xml_open(&xml, "r");
    xml_put_namespaces(&xml, 1u << XML_NS_CMIS | 1u << XML_NS_XSI);
    xml_put_type(&xml, "cmis:type", NULL, type, true, CMIS_1_1);
    xml_close(&xml, "r");
}

/* createType reads what it is about to store and refuses what it cannot read: never what XML can say,
 * but that a property is there twice. */
static void stored_check(struct arena *arena, const struct cmis_type *type)
{
    SCOPED(buf_done) struct buf text = {0};
    struct json json = json_into(&text);
    for (size_t i = 0; i < type->property_count; i++)
        if (type_property(type, type->properties[i].id) != &type->properties[i])
            return;
    type_write(&json, NULL, type, true);
    const struct cmis_type *again = type_read(arena, buf_text(&text));
    assert(again && again->property_count == type->property_count);
}

static bool type_take(struct arena *arena, struct slice bytes, struct buf *out)
{
    struct user user = {.name = (char *)"a"};
    struct cmis_call cmis;
    struct xml_reader *reader;
    const struct xml_node *root = tree_read(arena, bytes, &reader);
    const struct xml_node *node = xml_child(root, XML_NS_CMIS, "type");
    cmis_call_init(&cmis, NULL, arena, &user, 0);
    bool taken = node && xml_take_type(&cmis, node) == 0;
    assert(taken || !node || (cmis.message && cmis.error != CMIS_FINE));
    if (taken) {
        type_put(out, cmis.args.type);
        stored_check(arena, cmis.args.type);
    }
    xml_reader_free(reader);
    return taken;
}

static void others_take(struct arena *arena, struct slice bytes)
{
    struct user user = {.name = (char *)"a"};
    struct cmis_call cmis;
    struct xml_reader *reader;
    const struct xml_node *root = tree_read(arena, bytes, &reader);
    cmis_call_init(&cmis, NULL, arena, &user, 0);
    if (root && xml_take_properties(&cmis, xml_child(root, XML_NS_CMIS, "properties")) == 0)
        for (size_t i = 0; i < cmis.args.properties.count; i++)
            assert(cmis.args.properties.items[i].id &&
                   cmis.args.properties.items[i].count <= CMIS_VALUES_MAX);
    if (root && xml_take_acl(&cmis, CMIS_IN_ADD_ACES, xml_child(root, XML_NS_CMIS, "acl")) == 0)
        for (size_t i = 0; i < cmis.args.add_aces.count; i++)
            assert(cmis.args.add_aces.aces[i].principal[0]);
    if (root && xml_take_bulk(&cmis, xml_child(root, XML_NS_CMIS, "bulk")) == 0)
        assert(cmis.args.bulk.count <= CMIS_IDS_MAX);
    xml_reader_free(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {.size_max = 16 << 20};
    SCOPED(buf_done) struct buf first = {0};
    SCOPED(buf_done) struct buf second = {0};
    struct slice bytes = slice_of(data, size);
    if (type_take(&arena, bytes, &first)) {
        bool again = type_take(&arena, buf_slice(&first), &second);
        assert(again && slice_equals(buf_slice(&first), buf_slice(&second)));
    }
    others_take(&arena, bytes);
    arena_done(&arena);
    return 0;
}
