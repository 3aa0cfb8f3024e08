/* SPDX-License-Identifier: Apache-2.0 */
#include "launcher/program.h"

#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

static char g_dir[] = "/tmp/coffer-program-XXXXXX";
static char g_path[100];

static void file_put(const char *text)
{
    int fd = open(g_path, O_WRONLY | O_CREAT | O_TRUNC, 0700);
    REQUIRE(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

static void digest_of(const char *text, uint8_t digest[SHA256_SIZE])
{
    REQUIRE(sha256(slice_of_text(text), digest) == 0);
}

TEST(a_program_is_measured_once_and_again_when_it_changes)
{
    struct program_cache cache = {0};
    const struct program *first = NULL, *second = NULL, *third = NULL;
    uint8_t digest[SHA256_SIZE];
    struct error e = {0};
    REQUIRE(mkdtemp(g_dir));
    snprintf(g_path, sizeof g_path, "%s/program", g_dir);
    file_put("one");
    CHECK_EQ(program_get(&cache, g_path, &first, &e), 0);
    digest_of("one", digest);
    CHECK(memcmp(first->digest, digest, sizeof digest) == 0);
    CHECK_EQ(program_get(&cache, g_path, &second, &e), 0);
    CHECK(first == second);
    file_put("three");
    CHECK_EQ(program_get(&cache, g_path, &third, &e), 0);
    digest_of("three", digest);
    CHECK(memcmp(third->digest, digest, sizeof digest) == 0);
    CHECK_EQ(cache.count, 2);
    program_cache_done(&cache);
}

TEST(what_runs_is_what_was_hashed_whatever_happens_to_the_file)
{
    struct program_cache cache = {0};
    const struct program *program = NULL;
    struct error e = {0};
    char bytes[8] = "";
    file_put("true");
    REQUIRE(program_get(&cache, g_path, &program, &e) == 0);
    file_put("evil");
    CHECK_EQ(pread(program->fd, bytes, sizeof bytes, 0), 4);
    CHECK(memcmp(bytes, "true", 4) == 0);
    CHECK(write(program->fd, "x", 1) < 0);
    CHECK(ftruncate(program->fd, 0) < 0);
    CHECK_EQ(fcntl(program->fd, F_GET_SEALS),
             F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    program_cache_done(&cache);
}

TEST(the_cache_is_bounded)
{
    struct program_cache cache = {0};
    const struct program *program = NULL;
    struct error e = {0};
    char text[16];
    for (int i = 0; i < 3 * PROGRAM_CACHE_MAX; i++) {
        snprintf(text, sizeof text, "number %d", i);
        file_put(text);
        CHECK_EQ(program_get(&cache, g_path, &program, &e), 0);
        CHECK(cache.count <= PROGRAM_CACHE_MAX);
    }
    program_cache_done(&cache);
}

TEST(what_is_no_regular_file_is_refused)
{
    struct program_cache cache = {0};
    const struct program *program = NULL;
    struct error e = {0};
    CHECK_EQ(program_get(&cache, "/nonexistent", &program, &e), -ENOENT);
    CHECK_EQ(program_get(&cache, "/dev/null", &program, &e), -EACCES);
    CHECK_EQ(program_get(&cache, "/tmp", &program, &e), -EACCES);
    file_put("");
    CHECK(program_get(&cache, g_path, &program, &e) < 0);
    CHECK(strlen(e.text) > 0 && !program);
    unlink(g_path);
    rmdir(g_dir);
}

TAP_MAIN()
