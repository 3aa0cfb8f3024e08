/* SPDX-License-Identifier: Apache-2.0 */
/* A configfs-tsm entry played by a thread behind named pipes: what the kernel answers when it is asked,
 * and how it can lie. */
#include "platform/linux/tsm.h"

#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char g_dir[64];

struct kernel {
    const char *provider;
    bool auxiliary, stale; /* stale: the generation moves by more than was written */
    unsigned exchanges;    /* how many there will be */
    size_t size;           /* of a report; 0: 100 bytes */
    uint8_t asked[TSM_REPORT_DATA_SIZE];
};

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

static void pipe_put(const char *name)
{
    char path[128];
    path_of(name, path);
    REQUIRE(mkfifo(path, 0600) == 0);
}

static void *kernel_run(void *arg)
{
    struct kernel *k = arg;
    unsigned generation = 7;
    for (unsigned i = 0; i < k->exchanges; i++) {
        char path[128], text[32];
        path_of("inblob", path);
        int in = open(path, O_RDONLY);
        REQUIRE(in >= 0 && read(in, k->asked, sizeof k->asked) == (ssize_t)sizeof k->asked);
        close(in);
        generation += k->stale ? 2 : 1;
        int n = snprintf(text, sizeof text, "%u\n", generation);
        file_put("generation", text, (size_t)n);
        path_of("outblob", path);
        int out = open(path, O_WRONLY);
        size_t size = k->size ? k->size : 100;
        char *report = malloc(size);
        REQUIRE(out >= 0 && report);
        memset(report, k->asked[0], size);
        ssize_t written = write(out, report, size);
        (void)written; /* whoever has read too much closes early */
        close(out);
        free(report);
    }
    return NULL;
}

static int asked(struct kernel *k, struct tsm_answer *answer, struct error *e)
{
    uint8_t data[TSM_REPORT_DATA_SIZE];
    pthread_t thread;
    char command[128];
    memset(data, 0x5a, sizeof data);
    snprintf(g_dir, sizeof g_dir, "/tmp/coffer-tsm-XXXXXX");
    REQUIRE(mkdtemp(g_dir) != NULL);
    file_put("provider", k->provider, strlen(k->provider));
    file_put("generation", "7\n", 2);
    pipe_put("inblob");
    pipe_put("outblob");
    if (k->auxiliary)
        file_put("auxblob", "certificates", 12);
    REQUIRE(pthread_create(&thread, NULL, kernel_run, k) == 0);
    int r = tsm_report(g_dir, data, -1, answer, e);
    REQUIRE(pthread_join(thread, NULL) == 0);
    snprintf(command, sizeof command, "rm -rf %s", g_dir);
    REQUIRE(system(command) == 0);
    return r;
}

TEST(a_report_answers_what_was_asked)
{
    SCOPED(tsm_answer_done) struct tsm_answer answer = {0};
    struct kernel k = {.provider = "sev_guest\n", .auxiliary = true, .exchanges = 1};
    CHECK_EQ(asked(&k, &answer, NULL), 0);
    CHECK_EQ(answer.kind, TSM_SNP);
    CHECK_TEXT(answer.provider, "sev_guest");
    CHECK_EQ(answer.report.size, 100);
    CHECK_EQ(answer.report.bytes[99], 0x5a);
    CHECK_EQ(answer.auxiliary.size, 12);
    CHECK_EQ(k.asked[63], 0x5a);
}

TEST(a_provider_without_certificates_is_fine)
{
    SCOPED(tsm_answer_done) struct tsm_answer answer = {0};
    struct kernel k = {.provider = "tdx_guest\n", .exchanges = 1};
    CHECK_EQ(asked(&k, &answer, NULL), 0);
    CHECK_EQ(answer.kind, TSM_TDX);
    CHECK_EQ(answer.auxiliary.size, 0);
}

TEST(a_report_that_somebody_else_asked_for_is_not_taken)
{
    SCOPED(tsm_answer_done) struct tsm_answer answer = {0};
    struct kernel k = {.provider = "tdx_guest\n", .stale = true, .exchanges = 5};
    struct error e = {0};
    CHECK_EQ(asked(&k, &answer, &e), -EBUSY);
    CHECK(strstr(e.text, "somebody else") != NULL);
}

TEST(what_is_too_large_or_unknown_is_refused)
{
    SCOPED(tsm_answer_done) struct tsm_answer large = {0}, unknown = {0}, none = {0};
    struct kernel k = {.provider = "tdx_guest\n", .size = 40000, .exchanges = 1};
    struct error e = {0};
    uint8_t data[TSM_REPORT_DATA_SIZE] = {0};
    CHECK_EQ(asked(&k, &large, &e), -EMSGSIZE);
    k = (struct kernel){.provider = "abacus\n"};
    CHECK_EQ(asked(&k, &unknown, &e), -EOPNOTSUPP);
    CHECK_EQ(tsm_report("/nowhere/at/all", data, -1, &none, &e), -ENOENT);
    CHECK(strstr(e.text, "confidential virtual machine") != NULL || e.code != 0);
}

TEST(a_register_is_written_whole_and_read_whole)
{
    uint8_t digest[TSM_RTMR_SIZE], value[TSM_RTMR_SIZE];
    char command[128];
    memset(digest, 7, sizeof digest);
    snprintf(g_dir, sizeof g_dir, "/tmp/coffer-rtmr-XXXXXX");
    REQUIRE(mkdtemp(g_dir) != NULL);
    CHECK_EQ(tsm_rtmr_extend(g_dir, 3, digest, NULL), -ENOENT);
    file_put("rtmr3:sha384", "short", 5);
    CHECK_EQ(tsm_rtmr_read(g_dir, 3, value, NULL), -EIO);
    CHECK_EQ(tsm_rtmr_extend(g_dir, 3, digest, NULL), 0);
    CHECK_EQ(tsm_rtmr_read(g_dir, 3, value, NULL), 0);
    CHECK(memcmp(value, digest, sizeof value) == 0);
    CHECK_EQ(tsm_rtmr_read(g_dir, 4, value, NULL), -EINVAL);
    snprintf(command, sizeof command, "rm -rf %s", g_dir);
    REQUIRE(system(command) == 0);
}

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    return tap_main();
}
