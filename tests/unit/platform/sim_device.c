/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/linux/sim_device.h"

#include "crypto/crypto.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char g_path[64];
static const uint8_t g_report_data[REPORT_DATA_SIZE] = {1, 2, 3};

static struct sim_identity identity_sample(void)
{
    struct sim_identity id = {.svn = 7};
    memset(id.program, 0xaa, sizeof id.program);
    return id;
}

static void device_fresh(const struct sim_identity *id)
{
    static int n;
    snprintf(g_path, sizeof g_path, "/tmp/coffer-sim-%d-%d", getpid(), n++);
    unlink(g_path);
    REQUIRE(sim_device_set(g_path, id, NULL) == 0);
}

static struct key256 seal(const char *label)
{
    struct key256 key = {0};
    REQUIRE(sim_device_seal_key(slice_of_text(label), &key, NULL) == 0);
    return key;
}

TEST(before_it_is_set_there_is_no_device)
{
    struct key256 key;
    struct buf out = {0};
    CHECK_EQ(sim_device_seal_key(slice_of_text("x"), &key, NULL), -ENODEV);
    CHECK_EQ(sim_device_evidence(g_report_data, &out, NULL), -ENODEV);
}

TEST(the_file_appears_with_mode_0600_and_stays_the_same_device)
{
    struct sim_identity id = identity_sample();
    uint8_t first[EVIDENCE_POINT_SIZE], second[EVIDENCE_POINT_SIZE];
    struct stat st;
    device_fresh(&id);
    CHECK_EQ(sim_device_public(first, NULL), 0);
    CHECK_EQ(stat(g_path, &st), 0);
    CHECK_EQ(st.st_mode & 07777, 0600);
    CHECK_EQ(sim_device_public(second, NULL), 0);
    CHECK(memcmp(first, second, sizeof first) == 0);
    unlink(g_path);
    CHECK_EQ(sim_device_public(second, NULL), 0);
    CHECK(memcmp(first, second, sizeof first) != 0);
    unlink(g_path);
}

TEST(a_wider_mode_a_link_or_a_directory_is_refused)
{
    struct sim_identity id = identity_sample();
    uint8_t point[EVIDENCE_POINT_SIZE];
    char link_path[80];
    device_fresh(&id);
    REQUIRE(sim_device_public(point, NULL) == 0);
    REQUIRE(chmod(g_path, 0640) == 0);
    CHECK_EQ(sim_device_public(point, NULL), -EPERM);
    REQUIRE(chmod(g_path, 0600) == 0);
    snprintf(link_path, sizeof link_path, "%s-link", g_path);
    REQUIRE(symlink(g_path, link_path) == 0);
    REQUIRE(sim_device_set(link_path, &id, NULL) == 0);
    CHECK_EQ(sim_device_public(point, NULL), -ELOOP);
    unlink(link_path);
    REQUIRE(sim_device_set("/tmp", &id, NULL) == 0);
    CHECK_EQ(sim_device_public(point, NULL), -EPERM);
    unlink(g_path);
}

TEST(another_owner_is_refused)
{
    struct sim_identity id = identity_sample();
    uint8_t point[EVIDENCE_POINT_SIZE];
    device_fresh(&id);
    REQUIRE(sim_device_public(point, NULL) == 0);
    if (chown(g_path, 12345, 12345) == 0)
        CHECK_EQ(sim_device_public(point, NULL), -EPERM);
    unlink(g_path);
}

TEST(every_changed_byte_and_every_cut_of_the_file_is_damage)
{
    struct sim_identity id = identity_sample();
    uint8_t point[EVIDENCE_POINT_SIZE], file[128];
    device_fresh(&id);
    REQUIRE(sim_device_public(point, NULL) == 0);
    int fd = open(g_path, O_RDWR);
    ssize_t size = read(fd, file, sizeof file);
    REQUIRE(size == 48);
    for (ssize_t i = 0; i < size; i++) {
        uint8_t byte = file[i] ^ 1;
        REQUIRE(pwrite(fd, &byte, 1, i) == 1);
        CHECK_EQ(sim_device_public(point, NULL), -EBADMSG);
        REQUIRE(pwrite(fd, &file[i], 1, i) == 1);
    }
    CHECK_EQ(sim_device_public(point, NULL), 0);
    REQUIRE(pwrite(fd, "x", 1, size) == 1);
    CHECK_EQ(sim_device_public(point, NULL), -EBADMSG);
    for (ssize_t cut = size - 1; cut >= 0; cut--) {
        REQUIRE(ftruncate(fd, cut) == 0);
        CHECK_EQ(sim_device_public(point, NULL), -EBADMSG);
    }
    close(fd);
    unlink(g_path);
}

TEST(sealing_keys_differ_by_label_program_and_manifest)
{
    struct sim_identity id = identity_sample(), other = id;
    device_fresh(&id);
    struct key256 a = seal("a"), again = seal("a"), b = seal("b");
    CHECK(memcmp(&a, &again, sizeof a) == 0);
    CHECK(memcmp(&a, &b, sizeof a) != 0);
    other.program[0] ^= 1;
    REQUIRE(sim_device_set(g_path, &other, NULL) == 0);
    struct key256 of_program = seal("a");
    CHECK(memcmp(&a, &of_program, sizeof a) != 0);
    other = id;
    other.config[0] ^= 1;
    REQUIRE(sim_device_set(g_path, &other, NULL) == 0);
    struct key256 of_config = seal("a");
    CHECK(memcmp(&a, &of_config, sizeof a) != 0);
    unlink(g_path);
}

TEST(sealed_to_the_signer_a_rebuilt_program_finds_its_key)
{
    struct sim_identity id = identity_sample();
    id.insecure__seal_to_signer = true;
    device_fresh(&id);
    struct key256 a = seal("a");
    id.program[0] ^= 1;
    REQUIRE(sim_device_set(g_path, &id, NULL) == 0);
    struct key256 rebuilt = seal("a");
    CHECK(memcmp(&a, &rebuilt, sizeof a) == 0);
    unlink(g_path);
}

TEST(evidence_is_a_record_that_the_device_key_has_signed)
{
    struct sim_identity id = identity_sample();
    struct buf out = {0}, signed_bytes = {0};
    uint8_t point[EVIDENCE_POINT_SIZE];
    device_fresh(&id);
    REQUIRE(sim_device_evidence(g_report_data, &out, NULL) == 0);
    CHECK_EQ(out.size, EVIDENCE_RECORD_SIZE);
    CHECK_EQ(sim_device_public(point, NULL), 0);
    CHECK(memcmp(out.bytes + 275, point, sizeof point) == 0);
    CHECK(memcmp(out.bytes + 168, g_report_data, sizeof g_report_data) == 0);
    buf_append_text(&signed_bytes, EVIDENCE_SIGNED_CONTEXT);
    buf_append(&signed_bytes, out.bytes, EVIDENCE_SIGNED_SIZE);
    CHECK_EQ(p256_verify(point, buf_slice(&signed_bytes), out.bytes + EVIDENCE_SIGNED_SIZE), 0);
    buf_done(&out);
    buf_done(&signed_bytes);
    unlink(g_path);
}

TEST(measuring_hashes_the_whole_file)
{
    char path[64];
    uint8_t bytes[100000], digest[32], wanted[32];
    memset(bytes, 'x', sizeof bytes);
    snprintf(path, sizeof path, "/tmp/coffer-measure-%d", getpid());
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    REQUIRE(write(fd, bytes, sizeof bytes) == sizeof bytes);
    CHECK_EQ(sim_device_measure(path, digest, NULL), 0);
    REQUIRE(sha256(slice_of(bytes, sizeof bytes), wanted) == 0);
    CHECK(memcmp(digest, wanted, sizeof digest) == 0);
    CHECK_EQ(sim_device_measure("/nowhere/at/all", digest, NULL), -ENOENT);
    close(fd);
    unlink(path);
}

TAP_MAIN()
