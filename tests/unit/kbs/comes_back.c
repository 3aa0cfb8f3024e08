/* SPDX-License-Identifier: Apache-2.0 */
/* A client and both processes of a key broker: with a ticket it comes back without evidence and without
 * a signature, for what needs neither, and else from the beginning. */
#include "attest/channel.h"
#include "kbs/front.h"
#include "kbs/keeper.h"
#include "platform/linux/sim_device.h"
#include "server/address.h"
#include "world.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

static uint16_t g_port;
static pid_t g_broker;
static struct p256_key *g_key;
static X509 *g_certificate;
static struct channel_session g_session;
static struct who g_pin;

static int evidence(void *ctx, const uint8_t report_data[EVIDENCE_REPORT_DATA_SIZE],
                    struct buf *ret_evidence, struct error *e)
{
    (void)ctx;
    return sim_device_evidence(report_data, ret_evidence, e);
}

static void serve(void)
{
    struct error e = {0};
    char device[80];
    struct sim_identity id = {.debug = true};
    memset(id.program, 0x22, sizeof id.program);
    w_start(NULL);
    snprintf(device, sizeof device, "%s/device", w_dir);
    REQUIRE(sim_device_set(device, &id, &e) == 0);
    int fd = address_listen("127.0.0.1:0", "--listen", &g_port, &e);
    REQUIRE(fd >= 0);
    fflush(stdout);
    g_broker = fork();
    REQUIRE(g_broker >= 0);
    if (g_broker == 0) {
        struct loop *loop = NULL;
        struct keeper *keeper = NULL;
        pid_t network;
        int line = -1;
        _exit(front_start(fd, &network, &line, &e) < 0 || loop_new(&loop) < 0 ||
              keeper_new(loop, w_kbs, line, evidence, NULL, &keeper, &e) < 0 || loop_run(loop) < 0);
    }
    close(fd);
}

static void begin(void)
{
    static const uint8_t nothing[EVIDENCE_REPORT_DATA_SIZE], no_nonce[RATLS_NONCE_SIZE];
    SCOPED(buf_done) struct buf record = {0};
    struct evidence self;
    serve();
    REQUIRE(evidence(NULL, nothing, &record, NULL) == 0 &&
            evidence_verify(buf_slice(&record), &self) == 0);
    pin_from_evidence(&self, &g_pin);
    REQUIRE(p256_generate(&g_key) == 0 &&
            ratls_certificate(g_key, no_nonce, NULL, NULL, &g_certificate, NULL) == 0);
}

static void end(void)
{
    kill(g_broker, SIGKILL);
    waitpid(g_broker, NULL, 0);
    channel_session_done(&g_session);
    X509_free(g_certificate);
    g_certificate = NULL;
    p256_free(g_key);
    kbs_free(TAKE(w_kbs));
}

static ssize_t socket_read(void *ctx, void *bytes, size_t size)
{
    ssize_t n = read(*(int *)ctx, bytes, size);
    return n < 0 ? -errno : n;
}

static ssize_t socket_write(void *ctx, const void *bytes, size_t size)
{
    ssize_t n = send(*(int *)ctx, bytes, size, MSG_NOSIGNAL);
    return n < 0 ? -errno : n;
}

/* The status of one call over a connection of its own. */
static unsigned asked(const char *path, bool resume, bool *ret_resumed)
{
    SCOPED(buf_done) struct buf body = {0};
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(g_port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct channel_options options = {.pin = &g_pin,
                                            .key = p256_pkey(g_key),
                                            .certificate = g_certificate,
                                            .session = &g_session,
                                            .resume = resume};
    struct error e = {0};
    struct channel *channel = NULL;
    unsigned status = 0;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0);
    const struct channel_io io = {socket_read, socket_write, &fd};
    if (channel_open(&options, &io, &channel, &e) < 0)
        printf("# %s\n", e.text);
    REQUIRE(channel);
    CHECK_EQ(channel_exchange(channel, "POST", path, slice_of_text("{}"), &status, &body, &e), 0);
    CHECK(memcmp(channel_peer(channel)->program, g_pin.program.digest[0], 32) == 0);
    *ret_resumed = channel_is_resumed(channel);
    channel_close(channel);
    close(fd);
    return status;
}

TEST(a_ticket_brings_a_client_back_for_what_needs_no_more)
{
    bool resumed = true;
    begin();
    CHECK_EQ(asked("/v1/info", true, &resumed), 200);
    CHECK(!resumed && g_session.ticket);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(asked("/v1/info", true, &resumed), 200);
        CHECK(resumed);
    }
    CHECK_EQ(asked("/v1/volume/report", true, &resumed), 403);
    CHECK(resumed);
    CHECK_EQ(asked("/v1/tenant/list", true, &resumed), 503);
    CHECK(resumed);
    CHECK_EQ(asked("/v1/tenant/list", false, &resumed), 403);
    CHECK(!resumed);
    end();
}

TEST(a_ticket_of_another_process_is_none)
{
    bool resumed = true;
    begin();
    CHECK_EQ(asked("/v1/info", true, &resumed), 200);
    struct channel_session kept = g_session;
    g_session = (struct channel_session){0};
    end();
    begin();
    g_session = kept;
    CHECK_EQ(asked("/v1/info", true, &resumed), 200);
    CHECK(!resumed);
    CHECK_EQ(asked("/v1/info", true, &resumed), 200);
    CHECK(resumed);
    end();
}

TAP_MAIN()
