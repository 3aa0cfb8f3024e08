/* SPDX-License-Identifier: Apache-2.0 */
/* What an owner makes of a key broker's answers: which of them mean "later", which "no", and which
 * that another has the volume. The channel's functions are replaced by a script. */
#include "runtime/provision/provision.h"

#include "platform/ops.h"
#include "runtime/provision/authority.h"
#include "runtime/provision/link.h"
#include "runtime/thread.h"
#include "tap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>

static const uint8_t g_id[VOLUME_ID_SIZE] = {7}, g_opening[16] = {9};
static const struct volume_head g_head = {.epoch = 3, .sequence = 5};

/* One answer each; the last one stays. */
struct step {
    unsigned status;
    const char *body;
};
static const struct step *g_step;
static unsigned g_calls, g_attestations, g_sleeps;

#define TAG "0000000000000000000000000000000000000000000000000000000000000000"
#define REFUSAL(status_, code_)             \
    {                                       \
        status_, "{\"code\":\"" code_ "\"}" \
    }
#define OPENED                                                  \
    {                                                           \
        200, "{\"epoch\":4,\"sequence\":5,\"tag\":\"" TAG "\"}" \
    }

int __wrap_channel_open(const struct channel_options *options, const struct channel_io *io,
                        struct channel **ret_channel, struct error *e);
int __wrap_channel_exchange(struct channel *channel, const char *method, const char *path,
                            struct slice body, unsigned *ret_status, struct buf *ret_body,
                            struct error *e);
void __wrap_channel_close(struct channel *channel);
bool __wrap_channel_is_resumed(const struct channel *channel);
void __wrap_link_sleep_ms(int64_t ms);

int __wrap_channel_open(const struct channel_options *options, const struct channel_io *io,
                        struct channel **ret_channel, struct error *e)
{
    static char one;
    (void)io;
    (void)e;
    g_attestations += options->evidence != NULL;
    *ret_channel = (struct channel *)(void *)&one;
    return 0;
}

int __wrap_channel_exchange(struct channel *channel, const char *method, const char *path,
                            struct slice body, unsigned *ret_status, struct buf *ret_body,
                            struct error *e)
{
    (void)channel;
    (void)method;
    (void)path;
    (void)body;
    (void)e;
    const struct step *step = g_step;
    g_calls++;
    if (step[1].status)
        g_step++;
    *ret_status = step->status;
    return buf_append(ret_body, step->body, strlen(step->body));
}

void __wrap_channel_close(struct channel *channel)
{
    (void)channel;
}

bool __wrap_channel_is_resumed(const struct channel *channel)
{
    (void)channel;
    return false;
}

void __wrap_link_sleep_ms(int64_t ms)
{
    (void)ms;
    g_sleeps++;
}

static void script(const struct step *steps)
{
    g_step = steps;
    g_calls = g_attestations = g_sleeps = 0;
    link_rest();
}
#define SCRIPT(...) script((const struct step[]){__VA_ARGS__, {0, NULL}})

/* The key broker's address: somebody who never says a word listens there. */
static const char *listener(void)
{
    static char text[32];
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(fd >= 0 && bind(fd, (struct sockaddr *)&at, size) == 0 && listen(fd, 1024) == 0 &&
            getsockname(fd, (struct sockaddr *)&at, &size) == 0);
    snprintf(text, sizeof text, "127.0.0.1:%u", ntohs(at.sin_port));
    return text;
}

/* Once in a process. */
static int start(int64_t patience_ms, struct error *e)
{
    LARGE_TABLE static struct runtime_config config;
    const struct provision_options options = {.kbs = listener(),
                                              .kbs_pin = "tee=sim program=" TAG,
                                              .tenant = "acme",
                                              .policy = "documents",
                                              .program = "/program",
                                              .handover_fd = -1,
                                              .handover_status_fd = -1,
                                              .patience_ms = patience_ms};
    return provision_run(&options, &config, e);
}

static int report(void)
{
    return authority_kbs.report(NULL, g_id, &g_head);
}

static int erase_key(void)
{
    struct key256 key;
    return authority_kbs.erase_key(NULL, g_id, 2, &key);
}

static void opened(void)
{
    struct volume_head head;
    struct error e = {0};
    SCRIPT(OPENED);
    REQUIRE(authority_kbs.open(NULL, g_id, g_opening, &head, &e) == 0);
}

TEST(a_start_is_asked_again_while_the_key_broker_says_later)
{
    struct error e = {0};
    SCRIPT(REFUSAL(503, "STANDBY"), REFUSAL(503, "LOCKED"), REFUSAL(429, "LIMIT_REACHED"),
           {503, "no JSON"}, REFUSAL(403, "POLICY_REVOKED"));
    CHECK_EQ(start(3600000, &e), -EACCES);
    CHECK(strstr(error_text(&e, -EACCES), "POLICY_REVOKED") != NULL);
    CHECK_EQ(g_calls, 5);
    CHECK_EQ(g_sleeps, 4);
}

TEST(an_opening_is_asked_again_while_the_key_broker_says_later)
{
    struct volume_head head = {0};
    struct error e = {0};
    authority_set_patience(3600000);
    SCRIPT(REFUSAL(503, "LOCKED"), {423, "{\"code\":\"VOLUME_HELD\",\"retry_after_ms\":3}"},
           REFUSAL(503, "PEER_ABSENT"), OPENED);
    CHECK_EQ(authority_kbs.open(NULL, g_id, g_opening, &head, &e), 0);
    CHECK_EQ(head.epoch, 4);
    CHECK_EQ(g_sleeps, 3);
    SCRIPT(REFUSAL(503, "LOCKED"), REFUSAL(404, "VOLUME_UNKNOWN"));
    CHECK_EQ(authority_kbs.open(NULL, g_id, g_opening, &head, &e), -EACCES);
    CHECK_EQ(g_calls, 2);
    authority_set_patience(0);
    SCRIPT(REFUSAL(503, "LOCKED"));
    CHECK_EQ(authority_kbs.open(NULL, g_id, g_opening, &head, &e), -EAGAIN);
    CHECK(strstr(error_text(&e, -EAGAIN), "LOCKED") != NULL);
    CHECK_EQ(g_calls, 1);
}

TEST(later_while_attesting_again_is_later)
{
    opened();
    SCRIPT(REFUSAL(403, "SESSION_INVALID"), REFUSAL(503, "STANDBY"));
    CHECK_EQ(report(), -EAGAIN);
    CHECK_EQ(g_attestations, 1);
    SCRIPT(REFUSAL(403, "SESSION_INVALID"), REFUSAL(429, "LIMIT_REACHED"));
    CHECK_EQ(erase_key(), -EAGAIN);
    SCRIPT(REFUSAL(403, "SESSION_INVALID"), {200, "{}"}, REFUSAL(503, "PEER_ABSENT"));
    CHECK_EQ(report(), -EAGAIN);
    SCRIPT(REFUSAL(403, "SESSION_INVALID"), {200, "{}"}, {200, "{}"});
    CHECK_EQ(report(), 0);
}

TEST(a_session_that_is_lost_again_at_once_is_asked_for_later)
{
    opened();
    SCRIPT(REFUSAL(403, "SESSION_INVALID"), {200, "{}"}, REFUSAL(403, "SESSION_INVALID"));
    CHECK_EQ(report(), -EAGAIN);
}

TEST(who_may_not_attest_again_is_refused_for_good)
{
    opened();
    SCRIPT(REFUSAL(403, "SESSION_INVALID"), REFUSAL(403, "POLICY_REVOKED"));
    CHECK_EQ(report(), -EACCES);
    CHECK_EQ(authority_kbs.close(NULL, g_id, &g_head), -EACCES);
}

TEST(only_a_code_that_says_so_means_another_owner)
{
    static const struct {
        struct step step;
        int r;
    } cases[] = {
        {REFUSAL(409, "VOLUME_FENCED"), -ESTALE},
        {REFUSAL(409, "VOLUME_ROLLBACK"), -ESTALE},
        {REFUSAL(503, "VOLUME_FENCED"), -ESTALE}, /* the code goes first */
        {REFUSAL(429, "LIMIT_REACHED"), -EAGAIN},
        {REFUSAL(503, "LIMIT_REACHED"), -EAGAIN},
        {REFUSAL(500, "INTERNAL"), -EAGAIN},
        {REFUSAL(404, "ERASE_KEY_GONE"), -ENOKEY},
        {REFUSAL(404, "VOLUME_UNKNOWN"), -EACCES},
        {REFUSAL(409, "SOMETHING_NEW"), -EACCES},
        {REFUSAL(302, "VOLUME"), -EACCES},
        {{403, "{\"code\":7}"}, -EACCES},
        {{201, "{}"}, -EACCES},
        {{503, "[1]"}, -EAGAIN},
        {{403, "[1]"}, -EAGAIN}, /* nobody's answer */
    };
    opened();
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        SCRIPT(cases[i].step);
        CHECK_EQ(report(), cases[i].r);
        SCRIPT(cases[i].step);
        CHECK_EQ(authority_kbs.close(NULL, g_id, &g_head), cases[i].r);
        SCRIPT(cases[i].step);
        CHECK_EQ(erase_key(), cases[i].r);
        SCRIPT(cases[i].step);
        CHECK_EQ(authority_kbs.erase_drop(NULL, g_id, 2), cases[i].r);
        SCRIPT(cases[i].step);
        CHECK_EQ(authority_order_done(g_id, 1), cases[i].r);
    }
}

/* For the leak checker: the kept connection's answer, which is thrown away, and the second one's. */
TEST(what_is_no_object_is_asked_for_once_more)
{
    opened();
    g_step = (const struct step[]){{200, "[1, 2]"}, {200, "{}"}, {0, NULL}};
    CHECK_EQ(report(), 0);
    g_step = (const struct step[]){{200, "[1, 2]"}, {200, "\"text\""}, {0, NULL}};
    CHECK_EQ(report(), -EAGAIN);
}

int main(void)
{
    static struct thread self;
    platform_set(&platform_sim);
    REQUIRE(thread_adopt(&self) == 0);
    return tap_main();
}
