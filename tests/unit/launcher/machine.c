/* SPDX-License-Identifier: Apache-2.0 */
/* The whole way of a virtual machine's evidence: a made-up kernel whose reports are genuine in a world
 * of our own, the launcher's key in them, a process's evidence, and a verifier at the end. */
#include "launcher/machine.h"

#include "../attest/snp_world.h"
#include "attest/vendor.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char g_dir[64];
static struct snp_world g_world;

static void path_of(const char *name, char path[128])
{
    snprintf(path, 128, "%s/%s", g_dir, name);
}

static void file_put(const char *name, const void *bytes, size_t size)
{
    char path[128];
    path_of(name, path);
    FILE *file = fopen(path, "wb");
    REQUIRE(file && fwrite(bytes, 1, size, file) == size);
    fclose(file);
}

static void *kernel_run(void *arg)
{
    char path[128];
    uint8_t asked[64];
    struct knobs k = {.image = 9, .report_data = asked};
    (void)arg;
    path_of("inblob", path);
    int in = open(path, O_RDONLY);
    REQUIRE(in >= 0 && read(in, asked, sizeof asked) == (ssize_t)sizeof asked);
    close(in);
    report_make(&k, g_world.vcek, g_world.report);
    file_put("generation", "1\n", 2);
    path_of("outblob", path);
    int out = open(path, O_WRONLY);
    REQUIRE(out >= 0 &&
            write(out, g_world.report, sizeof g_world.report) == (ssize_t)sizeof g_world.report);
    close(out);
    return NULL;
}

static void certificates_put(void)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    for (int i = 0; i < g_world.all.count; i++)
        REQUIRE(PEM_write_bio_X509(bio, g_world.all.certificate[i]) == 1);
    long size = BIO_get_mem_data(bio, &text);
    file_put("auxblob", text, (size_t)size);
    BIO_free(bio);
}

static int opened(enum tee tee, struct machine **ret, struct error *e)
{
    const struct machine_settings settings = {.tee = tee, .tsm = g_dir};
    pthread_t thread;
    char path[128];
    snprintf(g_dir, sizeof g_dir, "/tmp/coffer-machine-XXXXXX");
    REQUIRE(mkdtemp(g_dir) != NULL);
    file_put("provider", "sev_guest\n", 10);
    file_put("generation", "0\n", 2);
    path_of("inblob", path);
    REQUIRE(mkfifo(path, 0600) == 0);
    path_of("outblob", path);
    REQUIRE(mkfifo(path, 0600) == 0);
    certificates_put();
    REQUIRE(pthread_create(&thread, NULL, kernel_run, NULL) == 0);
    int r = machine_open(&settings, ret, e);
    REQUIRE(pthread_join(thread, NULL) == 0);
    snprintf(path, sizeof path, "rm -rf %s", g_dir);
    REQUIRE(system(path) == 0);
    return r;
}

static int64_t now_s(void *ctx)
{
    (void)ctx;
    return (int64_t)time(NULL) + 60;
}

TEST(a_process_in_a_machine_is_known_by_evidence_alone)
{
    SCOPED(machine_freep) struct machine *machine = NULL;
    SCOPED(buf_done) struct buf record = {0};
    const struct vendor_sources sources = {.amd_roots = &g_world.roots, .now_s = now_s};
    struct evidence identity = {.svn = 3}, ev = {0};
    uint8_t data[EVIDENCE_REPORT_DATA_SIZE] = {1, 2, 3};
    struct refusal refusal = {0};
    memset(identity.program, 0x22, sizeof identity.program);
    snp_world_make(&g_world, &(struct knobs){.image = 9});
    CHECK_EQ(opened(TEE_COUNT, &machine, NULL), 0);
    CHECK_EQ(machine_tee(machine), TEE_SNP);
    CHECK_EQ(machine_evidence(machine, &identity, data, &record, NULL), 0);
    CHECK_EQ(vendor_verify(&sources, buf_slice(&record), &ev, &refusal), 0);
    CHECK_EQ(ev.program[0], 0x22);
    CHECK_EQ(ev.svn, 3);
    CHECK_EQ(ev.platform.measurement[0], 9);
    CHECK(ev.platform.launched);
    CHECK(memcmp(ev.report_data, data, sizeof data) == 0);
    snp_world_done(&g_world);
}

TEST(a_machine_of_another_kind_is_not_taken)
{
    SCOPED(machine_freep) struct machine *machine = NULL;
    struct error e = {0};
    snp_world_make(&g_world, &(struct knobs){0});
    CHECK_EQ(opened(TEE_TDX, &machine, &e), -ENODEV);
    CHECK(strstr(e.text, "sev_guest") != NULL);
    snp_world_done(&g_world);
}

TEST(no_machine_at_all_is_said)
{
    SCOPED(machine_freep) struct machine *machine = NULL;
    const struct machine_settings settings = {.tee = TEE_COUNT, .tsm = "/nowhere/at/all"};
    struct error e = {0};
    CHECK_EQ(machine_open(&settings, &machine, &e), -ENOENT);
    CHECK(strstr(e.text, "confidential virtual machine") != NULL);
}

TAP_MAIN()
