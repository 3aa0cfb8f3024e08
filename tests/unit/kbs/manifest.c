/* SPDX-License-Identifier: Apache-2.0 */
#include "kbs/manifest.h"

#include "tap.h"

#include <errno.h>

#define OPERATOR "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define GOOD              \
    "version: 1\n"        \
    "domain: localhost\n" \
    "tee: [sim]\n"        \
    "freshness: none\n"   \
    "operators: [" OPERATOR "]\n"

static void check_refused(const char *text, const char *word)
{
    struct manifest *m = NULL;
    struct error e = {0};
    CHECK_EQ(manifest_parse(slice_of_text(text), &m, &e), -EINVAL);
    CHECK(m == NULL);
    if (!strstr(e.text, word)) {
        printf("# \"%s\" lacks \"%s\"\n", e.text, word);
        CHECK(!"the error says why");
    }
}

TEST(a_manifest_is_read_and_its_bytes_are_hashed)
{
    SCOPED(manifest_freep) struct manifest *m = NULL, *other = NULL;
    uint8_t hash[SHA256_SIZE];
    REQUIRE(manifest_parse(slice_of_text(GOOD "sim_devices: [self, " OPERATOR "]\n"), &m, NULL) ==
            0);
    CHECK_TEXT(m->domain, "localhost");
    CHECK_EQ(m->tees, 1u << TEE_SIM);
    CHECK_EQ(m->device_self, true);
    CHECK_EQ(m->devices.count, 1);
    CHECK_EQ(m->operators.count, 1);
    CHECK_EQ(m->lease_term_ms, 15000);
    REQUIRE(sha256(slice_of_text(GOOD "sim_devices: [self, " OPERATOR "]\n"), hash) == 0);
    CHECK(memcmp(hash, m->hash, sizeof hash) == 0);
    REQUIRE(manifest_parse(slice_of_text(GOOD "# comment\n"), &other, NULL) == 0);
    CHECK(memcmp(other->hash, m->hash, sizeof hash) != 0);
}

TEST(what_is_wrong_in_a_manifest_is_said)
{
    check_refused("version: 1\n", "line 1, column 1: 'domain' is missing");
    check_refused("version: 1\ndomain: x\ntee: [what]\n", "line 3");
    check_refused("version: 1\ndomain: x\ntee: [sim]\nfreshness: none\n", "operators");
    check_refused("version: 1\ndomain: x\ntee: [sim, tdx]\nfreshness: none\n", "line 4");
    check_refused("version: 1\ndomain: x\ntee: [sim]\nfreshness: peer\n", "line 4");
    check_refused(GOOD "lease_term_s: 0\n", "line 6");
    check_refused(GOOD "unknown: 0\n", "line 6");
    check_refused(GOOD "sim_devices: [other]\n", "line 6");
}

TAP_MAIN()
