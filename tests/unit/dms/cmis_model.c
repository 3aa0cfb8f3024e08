/* SPDX-License-Identifier: Apache-2.0 */
/* The CMIS model without a binding: operations run on a store in a directory of its own. */
#include "dms/cmis/model.h"
#include "dms/cmis/query.h"
#include "tap.h"

#include <dirent.h>
#include <errno.h>
#include <unistd.h>

static struct store *store;
static struct arena arena;
static char directory[64];
static const struct user ada = {.key = 1, .name = (char[]){"ada"}, .role = ROLE_ADMIN};
static const struct user bob = {.key = 2, .name = (char[]){"bob"}, .role = ROLE_USER};

static void start(void)
{
    struct error e = {0};
    snprintf(directory, sizeof directory, "/tmp/coffer-cmis-XXXXXX");
    REQUIRE(mkdtemp(directory));
    REQUIRE(store_open(directory, &store, &e) == 0);
    REQUIRE(user_add(store, "ada", ROLE_ADMIN, "hash", false, 1) == 0);
    REQUIRE(user_add(store, "bob", ROLE_USER, "hash", false, 1) == 0);
}

static void folder_remove(const char *path)
{
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir && (entry = readdir(dir)) != NULL;) {
        char inner[512];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        if (unlink(inner) < 0)
            folder_remove(inner);
    }
    if (dir)
        closedir(dir);
    rmdir(path);
}

static void stop(void)
{
    store_close(store);
    arena_done(&arena);
    folder_remove(directory);
}

struct pair {
    const char *id, *value;
};

/* Runs an operation; scalar inputs come as (input, text) pairs that end with -1. */
static int run(struct cmis_call *cmis, const struct user *user, const char *operation,
               const struct pair *properties, ...)
{
    static int64_t now = 1000;
    cmis_call_init(cmis, store, &arena, user, now += 10);
    struct cmis_input_property *items = arena_alloc(&arena, 8 * sizeof *items);
    size_t count = 0;
    for (; properties && properties[count].id; count++) {
        const char **value = arena_alloc(&arena, sizeof *value);
        *value = properties[count].value;
        items[count] =
            (struct cmis_input_property){properties[count].id, CMIS_TYPE_NOT_SAID, 1, value};
    }
    if (properties) {
        cmis->args.properties.items = items;
        cmis->args.properties.count = count;
        cmis_args_mark(cmis, CMIS_IN_PROPERTIES);
    }
    REQUIRE(cmis_args_set_text(cmis, CMIS_IN_REPOSITORY_ID, CMIS_REPOSITORY_ID) == 0);
    va_list args;
    va_start(args, properties);
    for (int input; (input = va_arg(args, int)) >= 0;)
        REQUIRE(cmis_args_set_text(cmis, (enum cmis_input)input, va_arg(args, const char *)) == 0);
    va_end(args);
    return cmis_run(cmis, cmis_operation_named(operation));
}

static const char *folder(const char *parent, const char *name)
{
    struct cmis_call cmis;
    const struct pair properties[] = {
        {"cmis:objectTypeId", "cmis:folder"}, {"cmis:name", name}, {NULL, NULL}};
    REQUIRE(run(&cmis, &ada, "createFolder", properties, CMIS_IN_FOLDER_ID, parent, -1) == 0);
    return cmis.result.object_id;
}

static const char *document(const char *parent, const char *name)
{
    struct cmis_call cmis;
    const struct pair properties[] = {
        {"cmis:objectTypeId", "cmis:document"}, {"cmis:name", name}, {NULL, NULL}};
    REQUIRE(run(&cmis, &ada, "createDocument", properties, CMIS_IN_FOLDER_ID, parent, -1) == 0);
    return cmis.result.object_id;
}

TEST(every_operation_of_the_table_is_there_once_and_within_its_caps)
{
    CHECK_EQ(cmis_operation_count, 50);
    for (size_t i = 0; i < cmis_operation_count; i++) {
        const struct cmis_operation *it = &cmis_operations[i];
        CHECK(it->run && it->input_count <= CMIS_OPERATION_INPUTS_MAX);
        CHECK(cmis_operation_named(it->name) == it);
        CHECK(cmis_operation_find(it->service, slice_of_text(it->name)) == it);
        CHECK(it->inputs[it->input_count - 1].input == CMIS_IN_EXTENSION);
    }
    CHECK(!cmis_operation_named("getNothing"));
}

TEST(what_an_operation_needs_is_asked_for)
{
    struct cmis_call cmis;
    start();
    cmis_call_init(&cmis, store, &arena, &ada, 1);
    CHECK_EQ(cmis_run(&cmis, cmis_operation_named("getObject")), -1);
    CHECK_EQ(cmis.error, CMIS_INVALID_ARGUMENT);
    CHECK_EQ(run(&cmis, &ada, "getObject", NULL, CMIS_IN_OBJECT_ID, "", -1), -1);
    CHECK_EQ(cmis.error, CMIS_INVALID_ARGUMENT);
    cmis_call_init(&cmis, store, &arena, &ada, 1);
    CHECK_EQ(cmis_args_set_text(&cmis, CMIS_IN_REPOSITORY_ID, "another"), 0);
    CHECK_EQ(cmis_args_set_text(&cmis, CMIS_IN_OBJECT_ID, "1"), 0);
    CHECK_EQ(cmis_run(&cmis, cmis_operation_named("getObject")), -1);
    CHECK_EQ(cmis.error, CMIS_OBJECT_NOT_FOUND);
    CHECK_EQ(cmis_args_set_text(&cmis, CMIS_IN_MAX_ITEMS, "ten"), -1);
    CHECK_EQ(cmis_args_set_text(&cmis, CMIS_IN_INCLUDE_ACL, "yes"), -1);
    CHECK_EQ(cmis_args_set_text(&cmis, CMIS_IN_VERSIONING_STATE, "none"), 0);
    stop();
}

TEST(ids_that_are_none_are_not_found)
{
    static const char *const ids[] = {"0",   "01",   "-1", "1;", "1;0",   "1;1",
                                      "x",   "1 ",   " 1", ";",  "1;2;3", "9999999999999999999",
                                      "2;1", "1;01", "1x"};
    struct cmis_call cmis;
    start();
    for (size_t i = 0; i < ARRAY_COUNT(ids); i++) {
        CHECK_EQ(run(&cmis, &ada, "getObject", NULL, CMIS_IN_OBJECT_ID, ids[i], -1), -1);
        CHECK_EQ(cmis.error, CMIS_OBJECT_NOT_FOUND);
    }
    stop();
}

TEST(an_operation_that_fails_changes_nothing)
{
    struct cmis_call cmis;
    const struct pair properties[] = {
        {"cmis:objectTypeId", "cmis:document"}, {"cmis:name", "half"}, {NULL, NULL}};
    static const char *const permissions[] = {"no:permission"};
    static const struct cmis_ace ace = {"anyone", 1, permissions, true};
    start();
    int64_t next = store->node_next;
    cmis_call_init(&cmis, store, &arena, &ada, 1);
    struct cmis_input_property items[2];
    for (int i = 0; i < 2; i++)
        items[i] = (struct cmis_input_property){properties[i].id, CMIS_TYPE_NOT_SAID, 1,
                                                &properties[i].value};
    cmis.args.properties.items = items;
    cmis.args.properties.count = 2;
    cmis_args_mark(&cmis, CMIS_IN_PROPERTIES);
    cmis.args.add_aces = (struct cmis_acl){1, &ace, true};
    CHECK_EQ(cmis_args_set_text(&cmis, CMIS_IN_REPOSITORY_ID, CMIS_REPOSITORY_ID), 0);
    CHECK_EQ(cmis_args_set_text(&cmis, CMIS_IN_FOLDER_ID, CMIS_ROOT_ID), 0);
    CHECK_EQ(cmis_run(&cmis, cmis_operation_named("createDocument")), -1);
    CHECK_EQ(cmis.error, CMIS_CONSTRAINT);
    CHECK_EQ(store->node_next, next);
    CHECK_EQ(store_commit(store), 0);
    CHECK_EQ(run(&cmis, &ada, "getObjectByPath", NULL, CMIS_IN_PATH, "/half", -1), -1);
    CHECK_EQ(cmis.error, CMIS_OBJECT_NOT_FOUND);
    stop();
}

TEST(a_copy_checked_out_shares_its_content_until_it_changes)
{
    struct cmis_call cmis;
    start();
    const char *key = document(CMIS_ROOT_ID, "doc");
    CHECK_EQ(run(&cmis, &ada, "checkOut", NULL, CMIS_IN_OBJECT_ID, key, -1), 0);
    const char *pwc = cmis.result.object_id;
    CHECK_EQ(run(&cmis, &bob, "getObject", NULL, CMIS_IN_OBJECT_ID, pwc, -1), -1);
    CHECK_EQ(cmis.error, CMIS_OBJECT_NOT_FOUND);
    CHECK_EQ(run(&cmis, &bob, "checkOut", NULL, CMIS_IN_OBJECT_ID, key, -1), -1);
    CHECK_EQ(cmis.error, CMIS_VERSIONING);
    struct node node;
    CHECK_EQ(node_child(store, &arena, STORE_ROOT, "doc", &node), 0);
    struct actor actor = {"ada", 1, NULL};
    CHECK_EQ(node_trash(store, &actor, node.key), -ETXTBSY);
    CHECK_EQ(run(&cmis, &ada, "checkIn", NULL, CMIS_IN_OBJECT_ID, pwc, CMIS_IN_MAJOR, "false", -1),
             0);
    CHECK_EQ(node_trash(store, &actor, node.key), 0);
    CHECK_EQ(node_purge(store, &actor, node.key), 0);
    CHECK_EQ(store_commit(store), 0);
    stop();
}

static struct content_draft draft_of(char fill, size_t size)
{
    struct content_draft draft = {.fd = -1};
    char block[1000];
    memset(block, fill, sizeof block);
    for (; size > 0; size -= MIN(size, sizeof block))
        REQUIRE(content_draft_write(store, &draft, slice_of(block, MIN(size, sizeof block))) == 0);
    REQUIRE(content_sync(&draft, store_incoming_fd(store)) == 0);
    return draft;
}

/* How many bytes of `first`, then of `second`, a content has; -1 if there is anything else. */
static int64_t content_runs(int64_t key, char first, char second)
{
    struct buf bytes = {0};
    char c;
    int fd = -1;
    int64_t size = 0, at = 0, runs = 0;
    REQUIRE(content_load(store, key, &bytes, &fd, &size) == 0);
    REQUIRE(fd >= 0);
    while (at < size && pread(fd, &c, 1, at) == 1 && c == first)
        at++;
    runs = at * 1000000;
    while (at < size && pread(fd, &c, 1, at) == 1 && c == second)
        at++, runs++;
    close(fd);
    return at == size ? runs : -1;
}

TEST(a_content_that_grows_is_as_before_until_the_commit)
{
    struct error e = {0};
    struct actor actor = {"ada", 1, NULL};
    struct node node;
    int64_t key, grown = 0;
    start();
    struct content_draft draft = draft_of('a', 50000), more = draft_of('b', 700);
    REQUIRE(document_create(store, &actor, STORE_ROOT, "doc", NULL, &draft, &key) == 0);
    REQUIRE(node_get(store, &arena, key, &node) == 0);
    REQUIRE(store_commit(store) == 0);
    content_drop(store, &draft);
    REQUIRE(store_step_begin(store) == 0);
    CHECK_EQ(store_step_end(store, content_grow(store, node.content, &more, &grown)), 0);
    CHECK(grown > node.content);
    CHECK_EQ(content_runs(grown, 'a', 'b'), (int64_t)50000 * 1000000 + 700);
    store_close(store); /* without a commit */
    REQUIRE(store_open(directory, &store, &e) == 0);
    CHECK_EQ(content_runs(node.content, 'a', 'b'), (int64_t)50000 * 1000000);
    struct content_draft other = draft_of('c', 40000);
    REQUIRE(store_step_begin(store) == 0);
    CHECK_EQ(store_step_end(store, content_grow(store, node.content, &other, &grown)), 0);
    CHECK_EQ(content_runs(grown, 'a', 'c'), (int64_t)50000 * 1000000 + 40000);
    CHECK_EQ(store_commit(store), 0);
    content_drop(store, &more);
    content_drop(store, &other);
    stop();
}

TEST(rights_come_from_the_folders_above)
{
    struct cmis_call cmis;
    static const char *const all[] = {"cmis:all"}, *const read[] = {"cmis:read"};
    const struct cmis_ace anyone = {"anyone", 1, all, true}, reads = {"bob", 1, read, true};
    start();
    const char *top = folder(CMIS_ROOT_ID, "top"), *low = folder(top, "low");
    const char *key = document(low, "doc");
    CHECK_EQ(run(&cmis, &bob, "getObject", NULL, CMIS_IN_OBJECT_ID, key, -1), 0);
    cmis_call_init(&cmis, store, &arena, &ada, 1);
    cmis.args.remove_aces = (struct cmis_acl){1, &anyone, true};
    CHECK_EQ(cmis_args_set_text(&cmis, CMIS_IN_REPOSITORY_ID, CMIS_REPOSITORY_ID), 0);
    CHECK_EQ(cmis_args_set_text(&cmis, CMIS_IN_OBJECT_ID, top), 0);
    CHECK_EQ(cmis_run(&cmis, cmis_operation_named("applyACL")), 0);
    CHECK_EQ(cmis.result.acl.count, 0);
    CHECK_EQ(run(&cmis, &bob, "getObject", NULL, CMIS_IN_OBJECT_ID, key, -1), -1);
    CHECK_EQ(cmis.error, CMIS_OBJECT_NOT_FOUND);
    struct node node;
    CHECK_EQ(node_get(store, &arena, strtoll(low, NULL, 10), &node), 0);
    CHECK_EQ(access_check(store, &bob, &node, ACCESS_READ), -ENOENT);
    CHECK_EQ(access_check(store, &ada, &node, ACCESS_WRITE), 0);
    cmis_call_init(&cmis, store, &arena, &ada, 1);
    cmis.args.add_aces = (struct cmis_acl){1, &reads, true};
    CHECK_EQ(cmis_args_set_text(&cmis, CMIS_IN_REPOSITORY_ID, CMIS_REPOSITORY_ID), 0);
    CHECK_EQ(cmis_args_set_text(&cmis, CMIS_IN_OBJECT_ID, top), 0);
    CHECK_EQ(cmis_run(&cmis, cmis_operation_named("applyACL")), 0);
    CHECK_EQ(access_check(store, &bob, &node, ACCESS_READ), 0);
    CHECK_EQ(access_check(store, &bob, &node, ACCESS_WRITE), -EACCES);
    CHECK_EQ(run(&cmis, &bob, "deleteObject", NULL, CMIS_IN_OBJECT_ID, key, -1), -1);
    CHECK_EQ(cmis.error, CMIS_PERMISSION_DENIED);
    stop();
}

TEST(dates_come_and_go_in_the_standards_form)
{
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2024-02-29T12:34:56.789Z", 1709210096789},
        {"2024-02-29T12:34:56.789+01:00", 1709206496789},
        {"2024-02-29T12:34:56-0130", 1709215496000},
        {"1969-12-31T23:59:59.999Z", -1},
        {"2024-02-29", 1709164800000},
        {"1709210096789", 1709210096789},
        {"-5", -5},
    };
    static const char *const bad[] = {"",
                                      "x",
                                      "2024-1",
                                      "2024-13-01",
                                      "2024-02-29T25:00:00Z",
                                      "2024-02-29T12:34",
                                      "2024-02-29T12:34:56.Z",
                                      "2024-02-29T12:34:56+99:00",
                                      "2024-02-29T12:34:56Zx",
                                      "2023-02-31"};
    char text[CMIS_DATE_SIZE];
    for (size_t i = 0; i < ARRAY_COUNT(good); i++) {
        int64_t ms = 1;
        CHECK_EQ(cmis_date_parse(good[i].text, &ms), 0);
        CHECK_EQ(ms, good[i].ms);
        cmis_date_format(ms, text);
        int64_t again = 0;
        CHECK_EQ(cmis_date_parse(text, &again), 0);
        CHECK_EQ(again, ms);
    }
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        int64_t ms;
        CHECK_EQ(cmis_date_parse(bad[i], &ms), -EINVAL);
    }
}

TEST(decimals_keep_their_value_and_look_like_decimals)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {{1.5, "1.5"},
                 {0.1, "0.1"},
                 {2, "2.0"},
                 {-1e300, NULL},
                 {1e20, "100000000000000000000.0"},
                 {1.25e-7, "0.000000125"},
                 {0, "0.0"},
                 {5e-324, NULL},
                 {1.7976931348623157e308, NULL},
                 {123456.75, "123456.75"},
                 {1.0 / 3, NULL}};
    char text[CMIS_DECIMAL_SIZE];
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        cmis_decimal_format(cases[i].value, text);
        CHECK(!strchr(text, 'e') && strchr(text, '.') && strlen(text) < CMIS_DECIMAL_SIZE);
        CHECK(!cases[i].text || strcmp(text, cases[i].text) == 0);
        double back = strtod(text, NULL);
        CHECK(!(back < cases[i].value) && !(back > cases[i].value));
    }
}

TEST(literals_lose_their_escapes_and_nothing_else)
{
    CHECK(strcmp(query_text(&arena, "it\\'s"), "it's") == 0);
    CHECK(strcmp(query_text(&arena, "it''s"), "it's") == 0);
    CHECK(strcmp(query_text(&arena, "a\\\\b\\%c\\d"), "a\\b\\%c\\d") == 0);
    CHECK(strcmp(query_pattern(&arena, "a\\%_%\\\\\\'"), "a\\%_%\\\\'") == 0);
    CHECK(strcmp(query_match(&arena, "one two"), "\"one\" AND \"two\"") == 0);
    CHECK(strcmp(query_match(&arena, "one OR -two"), "(\"one\") NOT (\"two\")") == 0);
    CHECK(strcmp(query_match(&arena, "\"a b\" c*"), "\"a b\" AND \"c\"*") == 0);
    CHECK(strcmp(query_match(&arena, "x\" OR y"), "\"x\"\"\" OR \"y\"") == 0);
    CHECK(!query_match(&arena, "-only"));
    CHECK(!query_match(&arena, "   "));
    arena_done(&arena);
}

TEST(statements_parse_within_their_caps)
{
    struct query *query = arena_alloc(&arena, sizeof *query);
    const char *wrong;
    static char deep[4096], many[70000];
    CHECK_EQ(query_parse(&arena,
                         "select a as b, c.* from t x where not (a = 1 or b in ('x')) "
                         "order by b desc, a",
                         query, &wrong),
             0);
    CHECK(query->column_count == 2 && query->order_count == 2 && query->order[0].down);
    CHECK(query->where->kind == QUERY_NOT && query->where->left->kind == QUERY_OR);
    snprintf(deep, sizeof deep, "SELECT * FROM t WHERE ");
    for (int i = 0; i < 1000; i++)
        strncat(deep, "(", sizeof deep - strlen(deep) - 1);
    CHECK_EQ(query_parse(&arena, deep, query, &wrong), -EINVAL);
    memset(many, 'x', sizeof many - 1);
    CHECK_EQ(query_parse(&arena, many, query, &wrong), -EINVAL);
    CHECK(strstr(wrong, "too long"));
    arena_done(&arena);
}

TAP_MAIN()
