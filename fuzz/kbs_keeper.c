/* SPDX-License-Identifier: Apache-2.0 */
/* The keeper before a network process that says anything: it answers only what it was asked, tells
 * nothing but what everybody may know, since no handshake here is signed by anybody, and ends what is no
 * message. The input is what that process sends. */
#include "kbs/keeper.h"

#include "base/hex.h"
#include "base/log.h"
#include "platform/linux/sim_device.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { IDS = 256, INPUT_MAX = 64 << 10 };

static char g_dir[64];
static struct kbs *g_kbs;
static struct loop *g_loop;

static int64_t now_s(void)
{
    return 1800000000;
}

static uint64_t now_ms(void)
{
    static uint64_t now;
    return now += 100;
}

static void nothing_said(enum log_level level, struct slice line)
{
    (void)level;
    (void)line;
}

static void leave(void)
{
    char command[128];
    kbs_free(g_kbs);
    loop_free(g_loop);
    snprintf(command, sizeof command, "rm -rf %s", g_dir);
    if (system(command) != 0)
        abort();
}

static int evidence(void *ctx, const uint8_t report_data[EVIDENCE_REPORT_DATA_SIZE],
                    struct buf *ret_evidence, struct error *e)
{
    (void)ctx;
    return sim_device_evidence(report_data, ret_evidence, e);
}

static void setup(void)
{
    struct evidence self = {.tee = TEE_SIM};
    struct manifest *manifest = NULL;
    struct sim_identity id = {0};
    static const struct key256 key = {{1}};
    static const char text[] =
        "version: 1\ndomain: localhost\ntee: [sim]\nfreshness: none\nsim_devices: [self]\n"
        "operators: ['sha256:"
        "2222222222222222222222222222222222222222222222222222222222222222']\n";
    char device[80];
    log_set_sink(nothing_said, "fuzz", LOG_LEVEL_ERROR);
    snprintf(g_dir, sizeof g_dir, "/tmp/coffer-fuzz-XXXXXX");
    if (!mkdtemp(g_dir))
        abort();
    snprintf(device, sizeof device, "%s/device", g_dir);
    if (manifest_parse(slice_of_text(text), &manifest, NULL) < 0 ||
        kbs_open(manifest, g_dir, &key, &self, &g_kbs, NULL) < 0 || loop_new(&g_loop) < 0 ||
        sim_device_set(device, &id, NULL) < 0)
        abort();
    g_kbs->now_s = now_s;
    g_kbs->now_ms = now_ms;
    atexit(leave);
}

/* What may be asked by anybody; by the low byte of a call's number. */
static bool g_open[IDS], g_asked[IDS];

static void asked(struct slice input)
{
    struct message m;
    struct message_call call;
    size_t taken;
    memset(g_open, 0, sizeof g_open);
    memset(g_asked, 0, sizeof g_asked);
    while (message_parse(input, true, &m, &taken) == 0) {
        uint8_t id = (uint8_t)m.id;
        bool is_call = m.kind == MESSAGE_CALL && message_call_parse(m.body, &call) == 0;
        if (is_call) {
            g_open[id] |=
                strcmp(call.path, "/v1/info") == 0 || strcmp(call.path, "/v1/policy/check") == 0;
            json_decref(call.in);
        }
        bool of_itself = m.kind == MESSAGE_METRICS || m.kind == MESSAGE_ALIVE;
        g_open[id] |= of_itself;
        g_asked[id] |= is_call || of_itself;
        input = slice_of(input.bytes + taken, input.size - taken);
    }
}

static void check_said(const struct message *m)
{
    struct message_answer answer;
    if (m->kind != MESSAGE_ANSWER) {
        assert(m->kind == MESSAGE_READY || m->kind == MESSAGE_CERTIFICATE ||
               m->kind == MESSAGE_SIGNATURE);
        return;
    }
    assert(message_answer_parse(m->body, &answer) == 0);
    assert(g_asked[(uint8_t)m->id] && answer.status != 500);
    assert(answer.status >= 400 || g_open[(uint8_t)m->id]);
}

static void hear(int fd)
{
    struct buf in = {0};
    struct message m;
    size_t taken;
    for (ssize_t n = 1; n > 0;) {
        uint8_t *to = buf_reserve(&in, 64 << 10);
        assert(to);
        n = recv(fd, to, 64 << 10, 0);
        in.size += n > 0 ? (size_t)n : 0;
        while (message_parse(buf_slice(&in), false, &m, &taken) == 0) {
            check_said(&m);
            buf_consume(&in, taken);
        }
    }
    buf_done(&in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct keeper *keeper = NULL;
    int pair[2];
    if (size > INPUT_MAX)
        return 0;
    if (!g_kbs)
        setup();
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0 ||
        keeper_new(g_loop, g_kbs, pair[1], evidence, NULL, &keeper, NULL) < 0)
        abort();
    asked(slice_of(data, size));
    for (size_t at = 0; at < size;) {
        ssize_t n = send(pair[0], data + at, size - at, MSG_NOSIGNAL);
        at = n > 0 ? at + (size_t)n : size;
        assert(loop_turn(g_loop, false) == 0);
    }
    for (int i = 0; i < 4; i++) {
        assert(loop_turn(g_loop, false) == 0);
        keeper_settle(keeper);
    }
    hear(pair[0]);
    int r = keeper_result(keeper);
    assert(r == 0 || r == -EBADMSG);
    keeper_free(keeper);
    close(pair[0]);
    return 0;
}
