/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/store_internal.h"
#include "tap.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

static struct store *store;
static struct arena arena;
static char directory[64];
static const struct actor actor = {"ada", 1000, NULL};

static void start(void)
{
    struct error e = {0};
    snprintf(directory, sizeof directory, "/tmp/coffer-store-XXXXXX");
    REQUIRE(mkdtemp(directory));
    REQUIRE(store_open(directory, &store, &e) == 0);
}

static void reopen(void)
{
    struct error e = {0};
    store_close(store);
    REQUIRE(store_open(directory, &store, &e) == 0);
}

static void folder_remove(const char *path)
{
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir && (entry = readdir(dir)) != NULL;) {
        char inner[512];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        if (entry->d_type == DT_DIR)
            folder_remove(inner);
        else
            unlink(inner);
    }
    closedir(dir);
    rmdir(path);
}

static void stop(void)
{
    store_close(store);
    arena_done(&arena);
    folder_remove(directory);
}

static size_t files_in(const char *name)
{
    char path[128];
    size_t count = 0;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    DIR *dir = opendir(path);
    REQUIRE(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

static struct content_draft draft_of(size_t size, char fill)
{
    static char block[100000];
    struct content_draft draft = {.fd = -1};
    memset(block, fill, sizeof block);
    while (size > 0) {
        size_t piece = size < sizeof block ? size : sizeof block;
        REQUIRE(content_draft_write(store, &draft, slice_of(block, piece)) == 0);
        size -= piece;
    }
    return draft;
}

static int64_t document(int64_t parent, const char *name, size_t size, char fill)
{
    struct content_draft draft = draft_of(size, fill);
    int64_t key = -1;
    REQUIRE(content_sync(&draft, store_incoming_fd(store)) == 0);
    int r = document_create(store, &actor, parent, name, "text/plain", &draft, &key);
    content_drop(store, &draft);
    return r < 0 ? r : key;
}

static bool has_content(int64_t key, size_t size, char fill)
{
    struct node node;
    struct buf bytes = {0};
    int fd = -1;
    int64_t count;
    if (node_get(store, &arena, key, &node) < 0 ||
        content_load(store, node.content, &bytes, &fd, &count) < 0 || count != (int64_t)size)
        return false;
    if (fd >= 0) {
        uint8_t *to = buf_reserve(&bytes, size);
        REQUIRE(to && read(fd, to, size) == (ssize_t)size);
        bytes.size = size;
        close(fd);
    }
    bool same = bytes.size == size;
    for (size_t i = 0; i < bytes.size; i++)
        same &= bytes.bytes[i] == (uint8_t)fill;
    buf_done(&bytes);
    return same;
}

TEST(contents_of_every_size_are_there_after_a_commit_and_a_new_start)
{
    static const size_t sizes[] = {0, 1, STORE_INLINE_MAX, STORE_INLINE_MAX + 1, 300000};
    int64_t keys[ARRAY_COUNT(sizes)];
    start();
    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
        char name[16];
        snprintf(name, sizeof name, "%zu", sizes[i]);
        keys[i] = document(STORE_ROOT, name, sizes[i], 'a');
        CHECK(keys[i] > 0);
        CHECK(has_content(keys[i], sizes[i], 'a')); /* before the commit, too */
    }
    CHECK_EQ(store_commit(store), 0);
    CHECK_EQ(files_in("incoming"), 0);
    CHECK_EQ(files_in("content"), 2);
    reopen();
    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++)
        CHECK(has_content(keys[i], sizes[i], 'a'));
    stop();
}

TEST(what_is_not_committed_is_gone_and_leaves_no_file)
{
    struct node node;
    start();
    int64_t key = document(STORE_ROOT, "doc", 100000, 'a');
    CHECK(store_in_transaction(store));
    reopen();
    CHECK_EQ(node_get(store, &arena, key, &node), -ENOENT);
    CHECK_EQ(files_in("incoming"), 0);
    CHECK_EQ(files_in("content"), 0);
    /* What a crash leaves behind: an upload never committed. */
    struct content_draft draft = draft_of(100000, 'b');
    close(draft.fd);
    CHECK_EQ(files_in("incoming"), 1);
    reopen();
    CHECK_EQ(files_in("incoming"), 0);
    buf_done(&draft.bytes);
    stop();
}

TEST(a_committed_content_is_found_though_it_was_not_moved_before_the_crash)
{
    char from[400], to[400];
    start();
    int64_t key = document(STORE_ROOT, "doc", 100000, 'a');
    CHECK_EQ(store_commit(store), 0);
    struct node node;
    struct buf bytes = {0};
    int fd;
    int64_t size;
    snprintf(from, sizeof from, "%s/content", directory);
    DIR *dir = opendir(from);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        if (entry->d_name[0] != '.') {
            snprintf(from, sizeof from, "%s/content/%s", directory, entry->d_name);
            snprintf(to, sizeof to, "%s/incoming/%s", directory, entry->d_name);
        }
    closedir(dir);
    REQUIRE(rename(from, to) == 0);
    CHECK(has_content(key, 100000, 'a'));
    reopen();
    CHECK_EQ(files_in("incoming"), 0);
    CHECK(has_content(key, 100000, 'a'));
    /* And one that is lost altogether is an error, not an empty document. */
    REQUIRE(unlink(from) == 0);
    CHECK_EQ(node_get(store, &arena, key, &node), 0);
    CHECK_EQ(content_load(store, node.content, &bytes, &fd, &size), -ENOENT);
    stop();
}

TEST(a_step_that_fails_undoes_only_itself)
{
    start();
    int64_t first = document(STORE_ROOT, "same", 100000, 'a');
    CHECK(first > 0);
    CHECK_EQ(document(STORE_ROOT, "same", 100000, 'b'), -EEXIST);
    CHECK_EQ(document(STORE_ROOT, "bad/name", 100000, 'b'), -EINVAL);
    CHECK_EQ(document(999, "orphan", 100000, 'b'), -ENOENT);
    CHECK_EQ(document(first, "in a document", 10, 'b'), -ENOENT);
    int64_t last = document(STORE_ROOT, "other", 10, 'c');
    CHECK_EQ(store_commit(store), 0);
    CHECK_EQ(files_in("incoming"), 0);
    CHECK_EQ(files_in("content"), 1);
    CHECK(has_content(first, 100000, 'a'));
    CHECK(has_content(last, 10, 'c'));
    stop();
}

TEST(copies_and_versions_share_contents_and_the_last_reference_deletes_the_file)
{
    int64_t copy;
    struct node node;
    start();
    int64_t key = document(STORE_ROOT, "doc", 100000, 'a');
    CHECK_EQ(document_copy(store, &actor, key, STORE_ROOT, "copy", &copy), 0);
    struct content_draft draft = draft_of(50000, 'b');
    CHECK_EQ(content_sync(&draft, store_incoming_fd(store)), 0);
    CHECK_EQ(document_update(store, &actor, key, NULL, &draft), 0);
    content_drop(store, &draft);
    CHECK_EQ(version_restore(store, &actor, key, 1), 0);
    CHECK_EQ(store_commit(store), 0);
    CHECK_EQ(files_in("content"), 2);
    CHECK(has_content(key, 100000, 'a'));
    CHECK_EQ(node_get(store, &arena, key, &node), 0);
    CHECK_EQ(node.version, 3);
    CHECK_EQ(node_purge(store, &actor, key), -ENOENT); /* not in the trash */
    CHECK_EQ(node_trash(store, &actor, key), 0);
    CHECK_EQ(node_purge(store, &actor, key), 0);
    CHECK_EQ(store_commit(store), 0);
    CHECK_EQ(files_in("content"), 1);
    CHECK(has_content(copy, 100000, 'a'));
    CHECK_EQ(node_trash(store, &actor, copy), 0);
    CHECK_EQ(node_purge(store, &actor, copy), 0);
    CHECK_EQ(store_commit(store), 0);
    CHECK_EQ(files_in("content"), 0);
    stop();
}

static int64_t content_of(int64_t key)
{
    struct node node;
    REQUIRE(node_get(store, &arena, key, &node) == 0);
    return node.content;
}

static void purge(int64_t key)
{
    CHECK_EQ(node_trash(store, &actor, key), 0);
    CHECK_EQ(node_purge(store, &actor, key), 0);
    CHECK_EQ(store_commit(store), 0);
}

TEST(the_same_bytes_are_in_one_file_until_the_last_is_gone)
{
    start();
    int64_t one = document(STORE_ROOT, "one", 100000, 'a');
    int64_t two = document(STORE_ROOT, "two", 100000, 'a'); /* within the same commit */
    CHECK_EQ(store_commit(store), 0);
    CHECK(files_in("content") == 1 && files_in("incoming") == 0);
    int64_t three = document(STORE_ROOT, "three", 100000, 'a');
    int64_t other = document(STORE_ROOT, "other", 100001, 'a');
    CHECK_EQ(store_commit(store), 0);
    CHECK(files_in("content") == 2 && files_in("incoming") == 0);
    /* Nothing that is shown tells that somebody had the bytes already. */
    CHECK(content_of(one) < content_of(two) && content_of(two) < content_of(three));
    reopen();
    CHECK_EQ(files_in("content"), 2);
    purge(one);
    purge(three);
    CHECK(files_in("content") == 2 && has_content(two, 100000, 'a'));
    purge(two);
    CHECK(files_in("content") == 1 && has_content(other, 100001, 'a'));
    int64_t again = document(STORE_ROOT, "one", 100000, 'a');
    CHECK_EQ(store_commit(store), 0);
    CHECK(files_in("content") == 2 && has_content(again, 100000, 'a'));
    stop();
}

TEST(a_file_that_cannot_be_deleted_stays_doomed)
{
    SCOPED(buf_done) struct buf names = {0}, again = {0};
    char path[192], aside[128];
    start();
    int64_t key = document(STORE_ROOT, "doc", 100000, 'a');
    int64_t other = document(STORE_ROOT, "other", 100000, 'b');
    CHECK_EQ(store_commit(store), 0);
    store_sweep_later(store);
    purge(key);
    purge(other);
    CHECK(store_has_doomed(store));
    CHECK_EQ(doomed_list(store, "", &names, 10), 0);
    REQUIRE(names.size == 2 * DOOMED_NAME_SIZE);
    /* unlink() refuses a folder */
    snprintf(path, sizeof path, "%s/content/%s", directory, (const char *)names.bytes);
    snprintf(aside, sizeof aside, "%s/aside", directory);
    REQUIRE(rename(path, aside) == 0 && mkdir(path, 0700) == 0);
    CHECK_EQ(doomed_erase(store, &names), 1);
    CHECK_EQ(names.size, DOOMED_NAME_SIZE);
    CHECK_EQ(doomed_forget(store, &names), 0);
    CHECK_EQ(store_commit(store), 0);
    CHECK_EQ(doomed_list(store, "", &again, 10), 0);
    REQUIRE(again.size == DOOMED_NAME_SIZE);
    CHECK(strstr(path, (const char *)again.bytes));
    REQUIRE(rmdir(path) == 0 && rename(aside, path) == 0);
    reopen();
    CHECK_EQ(files_in("content"), 0);
    stop();
}

TEST(bytes_that_were_undone_are_shared_with_nobody)
{
    start();
    CHECK_EQ(store_step_begin(store), 0);
    CHECK(document(STORE_ROOT, "undone", 100000, 'a') > 0);
    CHECK_EQ(store_step_end(store, -EINVAL), -EINVAL);
    int64_t key = document(STORE_ROOT, "here", 100000, 'a');
    CHECK_EQ(store_commit(store), 0);
    CHECK_EQ(files_in("content"), 1);
    CHECK(has_content(key, 100000, 'a'));
    CHECK_EQ(store_step_begin(store), 0); /* shares the file, and is undone */
    CHECK(document(STORE_ROOT, "too", 100000, 'a') > 0);
    CHECK_EQ(store_step_end(store, -EINVAL), -EINVAL);
    CHECK_EQ(store_commit(store), 0);
    CHECK_EQ(files_in("content"), 1);
    CHECK(has_content(key, 100000, 'a'));
    CHECK(document(STORE_ROOT, "lost", 100000, 'b') > 0);
    store_spoil(store);
    CHECK_EQ(store_commit(store), -EIO);
    key = document(STORE_ROOT, "found", 100000, 'b');
    CHECK_EQ(store_commit(store), 0);
    CHECK(files_in("content") == 2 && has_content(key, 100000, 'b'));
    stop();
}

TEST(a_file_that_grows_is_shared_with_nobody)
{
    int64_t grown;
    start();
    int64_t one = document(STORE_ROOT, "one", 100000, 'a');
    int64_t two = document(STORE_ROOT, "two", 100000, 'a');
    CHECK_EQ(store_commit(store), 0);
    struct content_draft more = draft_of(10, 'b');
    CHECK_EQ(content_grow(store, content_of(one), &more, &grown), -EMLINK);
    purge(two);
    CHECK_EQ(store_step_begin(store), 0);
    CHECK_EQ(store_step_end(store, content_grow(store, content_of(one), &more, &grown)), 0);
    content_drop(store, &more);
    /* Its digest was that of other bytes. */
    int64_t key = document(STORE_ROOT, "two", 100000, 'a');
    CHECK_EQ(store_commit(store), 0);
    CHECK(files_in("content") == 2 && has_content(key, 100000, 'a'));
    stop();
}

static int64_t content_file_size(void)
{
    char path[128];
    struct stat st = {0};
    snprintf(path, sizeof path, "%s/content", directory);
    DIR *dir = opendir(path);
    REQUIRE(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        if (entry->d_name[0] != '.')
            REQUIRE(fstatat(dirfd(dir), entry->d_name, &st, 0) == 0);
    closedir(dir);
    return st.st_size;
}

/* A crash between the bytes and the commit, which is a copy of the directory from then. */
TEST(what_a_crash_left_behind_a_file_goes_when_it_grows_again)
{
    char command[300];
    int64_t grown;
    start();
    int64_t key = document(STORE_ROOT, "one", 100000, 'a');
    CHECK_EQ(store_commit(store), 0);
    struct content_draft more = draft_of(5000, 'b');
    CHECK_EQ(store_step_begin(store), 0);
    CHECK_EQ(store_step_end(store, content_grow(store, content_of(key), &more, &grown)), 0);
    content_drop(store, &more);
    snprintf(command, sizeof command, "cp -r %s %s.crash", directory, directory);
    REQUIRE(system(command) == 0); /* NOLINT(cert-env33-c) */
    store_close(store);
    snprintf(command, sizeof command, "rm -r %s && mv %s.crash %s", directory, directory,
             directory);
    REQUIRE(system(command) == 0); /* NOLINT(cert-env33-c) */
    struct error e = {0};
    REQUIRE(store_open(directory, &store, &e) == 0);
    CHECK_EQ(content_file_size(), 105000);
    CHECK(has_content(key, 100000, 'a'));
    struct content_draft little = draft_of(10, 'a');
    CHECK_EQ(store_step_begin(store), 0);
    CHECK_EQ(store_step_end(store, content_grow(store, content_of(key), &little, &grown)), 0);
    content_drop(store, &little);
    CHECK_EQ(content_file_size(), 100010);
    stop();
}

static int count_node(void *arg, const struct node *node)
{
    (void)node;
    ++*(int *)arg;
    return 0;
}

static int search(const char *words)
{
    int count = 0;
    bool more;
    int r = node_search(store, words, NULL, NULL, INT64_MAX, 100, count_node, &count, &more);
    return r < 0 ? r : count;
}

TEST(the_index_follows_every_change)
{
    struct property property = {(char[]){"color"}, (char[]){"deep blue"}};
    int64_t copy;
    start();
    int64_t key = document(STORE_ROOT, "Annual-Report_2024.pdf", 10, 'a');
    CHECK_EQ(search("annual"), 1);
    CHECK_EQ(search("REP 202"), 1);
    CHECK_EQ(search("pdf annual none"), 0);
    CHECK_EQ(search("blue"), 0);
    CHECK_EQ(properties_set(store, &actor, key, &property, 1), 0);
    CHECK_EQ(search("blue report"), 1);
    CHECK_EQ(document_copy(store, &actor, key, STORE_ROOT, "twin", &copy), 0);
    CHECK_EQ(search("blue"), 2);
    CHECK_EQ(node_move(store, &actor, key, STORE_ROOT, "letter"), 0);
    CHECK_EQ(search("annual"), 0);
    CHECK_EQ(search("letter blue"), 1);
    CHECK_EQ(properties_set(store, &actor, key, NULL, 0), 0);
    CHECK_EQ(search("blue"), 1);
    CHECK_EQ(node_trash(store, &actor, key), 0);
    CHECK_EQ(search("letter"), 0);
    CHECK_EQ(node_restore(store, &actor, key, 0), 0);
    CHECK_EQ(search("letter"), 1);
    CHECK_EQ(search("  "), -EINVAL);
    CHECK_EQ(search("\" OR ) * NEAR("), 0);
    CHECK_EQ(store_commit(store), 0);
    store_rest(store);
    CHECK_EQ(search("letter"), 1);
    stop();
}

TEST(the_index_takes_in_many_at_once_also_after_a_rollback_and_a_new_start)
{
    char name[32];
    start();
    for (int i = 0; i < 2500; i++) {
        snprintf(name, sizeof name, "walrus %d", i);
        REQUIRE(document(STORE_ROOT, name, 1, 'a') > 0);
        if (i % 100 == 0)
            CHECK_EQ(document(STORE_ROOT, name, 1, 'b'), -EEXIST);
    }
    CHECK_EQ(search("walrus 999"), 1);
    CHECK_EQ(store_commit(store), 0);
    CHECK(document(STORE_ROOT, "heron", 1, 'a') > 0);
    CHECK_EQ(search("heron"), 1);
    reopen(); /* not committed: the index must not know it, and will take in what comes */
    CHECK_EQ(search("heron"), 0);
    CHECK(document(STORE_ROOT, "stork", 1, 'a') > 0);
    CHECK_EQ(store_commit(store), 0);
    reopen();
    CHECK_EQ(search("stork"), 1);
    CHECK_EQ(search("walrus 2499"), 1);
    stop();
}

TEST(keys_are_not_used_again)
{
    struct node node;
    start();
    int64_t first = document(STORE_ROOT, "a", 10, 'a');
    CHECK_EQ(node_get(store, &arena, first, &node), 0);
    int64_t content = node.content;
    CHECK_EQ(node_trash(store, &actor, first), 0);
    CHECK_EQ(node_purge(store, &actor, first), 0);
    CHECK_EQ(store_commit(store), 0);
    reopen();
    int64_t second = document(STORE_ROOT, "a", 10, 'a');
    CHECK(second > first);
    CHECK_EQ(node_get(store, &arena, second, &node), 0);
    CHECK(node.content > content);
    stop();
}

TEST(trees_are_deleted_and_restored_whole_and_cannot_loop)
{
    int64_t a, b, c;
    struct node node;
    int count = 0;
    bool more;
    start();
    CHECK_EQ(folder_create(store, &actor, STORE_ROOT, "a", &a), 0);
    CHECK_EQ(folder_create(store, &actor, a, "b", &b), 0);
    CHECK_EQ(folder_create(store, &actor, b, "c", &c), 0);
    int64_t early = document(c, "early", 10, 'x'), late = document(c, "late", 10, 'x');
    CHECK_EQ(node_move(store, &actor, a, c, "a"), -EINVAL);
    CHECK_EQ(node_move(store, &actor, a, a, "a"), -EINVAL);
    CHECK_EQ(node_trash(store, &actor, STORE_ROOT), -EINVAL);
    CHECK_EQ(node_trash(store, &actor, early), 0);
    CHECK_EQ(node_trash(store, &actor, b), 0);
    CHECK_EQ(node_get(store, &arena, late, &node), 0);
    CHECK_EQ(node.trash, b);
    CHECK_EQ(node_trashed(store, INT64_MAX, 10, count_node, &count, &more), 0);
    CHECK_EQ(count, 2);
    CHECK_EQ(node_restore(store, &actor, early, 0), -ENOENT); /* its folder is in the trash */
    CHECK_EQ(node_restore(store, &actor, b, 0), 0);
    CHECK_EQ(node_get(store, &arena, early, &node), 0);
    CHECK_EQ(node.trash, early); /* was deleted on its own and stays so */
    CHECK_EQ(node_trash(store, &actor, a), 0);
    CHECK_EQ(node_purge(store, &actor, a), 0);
    CHECK_EQ(node_get(store, &arena, early, &node), -ENOENT);
    CHECK_EQ(store_commit(store), 0);
    int64_t at = STORE_ROOT;
    int depth = 0, r;
    while ((r = folder_create(store, &actor, at, "deep", &at)) == 0)
        depth++;
    CHECK_EQ(r, -EINVAL);
    CHECK_EQ(depth, STORE_DEPTH_MAX);
    stop();
}

TEST(names_that_could_mislead_are_refused)
{
    static const char *const bad[] = {"", ".", "..", "a/b", "a\nb", "\x7f", "\xff", "\xc0\xae"};
    char longest[STORE_NAME_SIZE_MAX + 2];
    memset(longest, 'a', sizeof longest);
    longest[STORE_NAME_SIZE_MAX + 1] = 0;
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
        CHECK_EQ(node_name_check(bad[i]), -EINVAL);
    CHECK_EQ(node_name_check(longest), -EINVAL);
    longest[STORE_NAME_SIZE_MAX] = 0;
    CHECK_EQ(node_name_check(longest), 0);
    CHECK_EQ(node_name_check("...a \xc3\xa4\\:*?\"<>|"), 0);
}

TEST(sessions_end_and_are_stored_as_hashes)
{
    uint8_t one[TOKEN_HASH_SIZE] = {1}, two[TOKEN_HASH_SIZE] = {2};
    struct user user;
    int64_t who;
    start();
    CHECK_EQ(user_add(store, "ada", ROLE_ADMIN, "hash", false, 1), 0);
    CHECK_EQ(user_add(store, "ada", ROLE_USER, "hash", false, 1), -EEXIST);
    CHECK_EQ(user_find(store, &arena, "ada", &user), 0);
    CHECK_EQ(session_add(store, one, user.key, 100, 0), 0);
    CHECK_EQ(session_add(store, two, user.key, 100, 0), 0);
    CHECK_EQ(session_find(store, one, 99, &who), 0);
    CHECK_EQ(who, user.key);
    CHECK_EQ(session_find(store, one, 100, &who), -ENOENT);
    CHECK_EQ(session_remove_all(store, user.key, two), 0);
    CHECK_EQ(session_find(store, one, 0, &who), -ENOENT);
    CHECK_EQ(session_find(store, two, 0, &who), 0);
    CHECK_EQ(user_remove(store, &actor, &user), -EBUSY); /* the only administrator */
    CHECK_EQ(session_find(store, two, 0, &who), 0);
    CHECK_EQ(user_add(store, "eve", ROLE_ADMIN, "hash", false, 1), 0);
    CHECK_EQ(user_remove(store, &actor, &user), 0);
    CHECK_EQ(session_find(store, two, 0, &who), -ENOENT);
    CHECK_EQ(store_commit(store), 0);
    stop();
}

TAP_MAIN()
