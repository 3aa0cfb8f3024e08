/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/owner_keys.h"

#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

static char g_dir[] = "/tmp/coffer-keys-XXXXXX";
static char g_one[100], g_two[100], g_path[200];

TEST(a_new_key_is_secret_and_is_never_overwritten)
{
    struct stat st;
    struct error e = {0};
    REQUIRE(mkdtemp(g_dir));
    snprintf(g_one, sizeof g_one, "%s/one", g_dir);
    snprintf(g_two, sizeof g_two, "%s/two", g_dir);
    CHECK_EQ(owner_keys_new(g_one, "owner", &e), 0);
    snprintf(g_path, sizeof g_path, "%s/" OWNER_KEY_FILE, g_one);
    CHECK_EQ(stat(g_path, &st), 0);
    CHECK_EQ(st.st_mode & 0777, 0600);
    CHECK_EQ(owner_keys_new(g_one, "owner", &e), -EEXIST);
}

TEST(a_pair_loads_and_signs)
{
    SCOPED(owner_keys_done) struct owner_keys keys = {0};
    SCOPED(buf_done) struct buf signature = {0};
    struct error e = {0};
    CHECK_EQ(owner_keys_load(g_one, &keys, &e), 0);
    CHECK_EQ(owner_keys_sign(&keys, slice_of_text("policy"), &signature), 0);
    CHECK(signature.size > 64);
}

TEST(halves_of_two_pairs_are_refused)
{
    SCOPED(owner_keys_done) struct owner_keys keys = {0};
    char from[200];
    struct error e = {0};
    CHECK_EQ(owner_keys_get(g_two, "other", &keys, &e), 0);
    owner_keys_done(&keys);
    snprintf(from, sizeof from, "%s/" OWNER_CERTIFICATE_FILE, g_two);
    snprintf(g_path, sizeof g_path, "%s/" OWNER_CERTIFICATE_FILE, g_one);
    REQUIRE(rename(from, g_path) == 0);
    CHECK_EQ(owner_keys_load(g_one, &keys, &e), -EKEYREJECTED);
    CHECK(keys.key == NULL);
    CHECK_EQ(owner_keys_load(g_two, &keys, &e), -ENOENT);
}

TEST(what_is_no_key_is_named)
{
    SCOPED(owner_keys_done) struct owner_keys keys = {0};
    struct error e = {0};
    snprintf(g_path, sizeof g_path, "%s/" OWNER_KEY_FILE, g_one);
    CHECK_EQ(owner_file_write(g_path, slice_of_text("not a key"), 0600, &e), 0);
    CHECK_EQ(owner_keys_load(g_one, &keys, &e), -EBADMSG);
    CHECK(strstr(e.text, g_path));
}

TEST(files_are_read_up_to_their_limit)
{
    SCOPED(buf_done) struct buf bytes = {0};
    struct error e = {0};
    snprintf(g_path, sizeof g_path, "%s/file", g_dir);
    CHECK_EQ(owner_file_write(g_path, slice_of_text("12345"), 0644, &e), 0);
    CHECK_EQ(owner_file_read(g_path, 5, &bytes, &e), 0);
    CHECK_EQ(bytes.size, 5);
    buf_clear(&bytes);
    CHECK_EQ(owner_file_read(g_path, 4, &bytes, &e), -EIO);
    char command[200];
    snprintf(command, sizeof command, "rm -r %s", g_dir);
    CHECK_EQ(system(command), 0);
}

TAP_MAIN()
