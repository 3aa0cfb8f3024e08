/* SPDX-License-Identifier: Apache-2.0 */
/* The agent against a world whose clock and servers the test moves. */
#include "gateway/agent.h"

#include "tap.h"

#include <errno.h>
#include <stdint.h>

#define MS 1000000ULL
#define S 1000000000ULL
#define LOG_MAX 4096

/* What the agent did: one letter per act, and the ids it sent. */
struct world {
    char acts[LOG_MAX + 1];
    size_t act_count;
    uint64_t sent_ids[LOG_MAX];
    size_t sent_count;
    int closed_fds[LOG_MAX];
    size_t closed_count;
    int start_result, send_result;
    uint64_t page_ns, memory;
};

static void act(struct world *w, char letter)
{
    REQUIRE(w->act_count < LOG_MAX);
    w->acts[w->act_count++] = letter;
    w->acts[w->act_count] = '\0';
}

static int world_start(void *ctx, struct tenant *t)
{
    struct world *w = ctx;
    if (w->start_result == 0)
        t->server = w;
    act(w, w->start_result == 0 ? 'S' : 's');
    return w->start_result;
}

static int world_send(void *ctx, struct tenant *t, uint64_t id, int fd)
{
    struct world *w = ctx;
    (void)fd;
    REQUIRE(t->server);
    if (w->send_result == 0)
        w->sent_ids[w->sent_count++] = id;
    return w->send_result;
}

static void world_drain(void *ctx, struct tenant *t)
{
    (void)t;
    act(ctx, 'D');
}

static void world_kill(void *ctx, struct tenant *t)
{
    (void)t;
    act(ctx, 'K');
}

static void world_release(void *ctx, struct tenant *t)
{
    act(ctx, 'R');
    t->server = NULL;
}

static void world_close(void *ctx, int fd)
{
    struct world *w = ctx;
    w->closed_fds[w->closed_count++] = fd;
}

static uint64_t world_active_ns(void *ctx, const struct tenant *t)
{
    (void)t;
    return ((struct world *)ctx)->page_ns;
}

static uint64_t world_memory(void *ctx)
{
    return ((struct world *)ctx)->memory;
}

static const struct agent_ops g_ops = {world_start,   world_send,  world_drain,     world_kill,
                                       world_release, world_close, world_active_ns, world_memory};
static const struct agent_settings g_settings = {
    .starts_at_once_max = 2,
    .memory_reserve = 100,
    .memory_per_server = 10,
    .sent_max = 3,
    .waiting_max = 2,
    .waiting_ns_max = 30 * S,
    .idle_ns = 60 * S,
    .start_ns_max = 10 * S,
    .drain_ns_max = 5 * S,
    .back_off_ns_min = 100 * MS,
    .back_off_ns_max = 1 * S,
};

static struct world g_world;
static struct agent *g_agent;

static struct tenant *fresh(void)
{
    struct tenant *t = NULL;
    agent_free(g_agent);
    g_world = (struct world){.memory = 1000};
    g_agent = agent_new(&g_settings, &g_ops, &g_world);
    REQUIRE(g_agent && agent_tenant_add(g_agent, slice_of_text("demo"), &t) == 0);
    return t;
}

static void tell(struct tenant *t, enum handover_type type, uint64_t id, uint64_t now_ns)
{
    agent_message(g_agent, t, &(struct handover_message){.type = type, .id = id}, now_ns);
}

/* A tenant whose server runs since `now_ns`, with one connection begun. */
static struct tenant *running(uint64_t now_ns)
{
    struct tenant *t = fresh();
    agent_connection_add(g_agent, t, 1000, now_ns);
    agent_tick(g_agent, now_ns);
    tell(t, HANDOVER_READY, 0, now_ns);
    tell(t, HANDOVER_BEGUN, 1, now_ns);
    REQUIRE(t->state == TENANT_RUNNING && t->sent_count == 0);
    return t;
}

TEST(the_first_connection_starts_the_server_and_is_sent_before_it_is_ready)
{
    struct tenant *t = fresh();
    CHECK_EQ(agent_tick(g_agent, 0), UINT64_MAX);
    agent_connection_add(g_agent, t, 7, S);
    CHECK_EQ(t->state, TENANT_QUEUED);
    agent_tick(g_agent, S);
    CHECK_EQ(t->state, TENANT_STARTING);
    CHECK_TEXT(g_world.acts, "S");
    CHECK_EQ(g_world.sent_count, 1);
    tell(t, HANDOVER_READY, 0, S + 40 * MS);
    CHECK_EQ(t->state, TENANT_RUNNING);
    CHECK_EQ(t->start_ns, 40 * MS);
    CHECK_EQ(g_world.closed_count, 0);
    tell(t, HANDOVER_BEGUN, g_world.sent_ids[0], S + 41 * MS);
    CHECK_EQ(g_world.closed_count, 1);
    CHECK_EQ(g_world.closed_fds[0], 7);
}

TEST(an_unknown_id_or_type_changes_nothing)
{
    struct tenant *t = running(S);
    tell(t, HANDOVER_BEGUN, 99, S);
    tell(t, HANDOVER_RETURNED, 99, S);
    tell(t, HANDOVER_CONNECTION, 99, S);
    tell(t, (enum handover_type)77, 99, S);
    tell(t, HANDOVER_READY, 0, 5 * S);
    CHECK_EQ(t->state, TENANT_RUNNING);
    CHECK_EQ(t->starts, 1);
    CHECK_EQ(g_world.closed_count, 1);
}

TEST(unacknowledged_ones_are_bounded_then_wait_then_are_closed)
{
    struct tenant *t = running(S);
    for (int i = 0; i < 7; i++)
        agent_connection_add(g_agent, t, i, S);
    CHECK_EQ(t->sent_count, 3);
    CHECK_EQ(t->waiting_count, 2);
    CHECK_EQ(g_world.closed_count, 1 + 2);
    tell(t, HANDOVER_BEGUN, g_world.sent_ids[2], S);
    CHECK_EQ(t->sent_count, 3);
    CHECK_EQ(t->waiting_count, 1);
    agent_tick(g_agent, 31 * S);
    CHECK_EQ(t->waiting_count, 0);
    CHECK_EQ(agent_counts(g_agent)->closed_waiting, 1);
}

TEST(what_a_crashed_server_had_not_begun_goes_to_the_next_in_order)
{
    struct tenant *t = running(S);
    for (int i = 0; i < 4; i++)
        agent_connection_add(g_agent, t, i, S);
    tell(t, HANDOVER_BEGUN, g_world.sent_ids[2], S); /* fd 1 */
    size_t before = g_world.sent_count;
    agent_gone(g_agent, t, "killed by signal 9", 2 * S);
    CHECK_EQ(t->state, TENANT_QUEUED);
    CHECK_EQ(t->waiting_count, 3);
    agent_tick(g_agent, 2 * S);
    CHECK_EQ(t->state, TENANT_STARTING);
    CHECK_EQ(g_world.sent_count, before + 3);
    CHECK_EQ(g_world.sent_ids[before], g_world.sent_ids[1]);
    CHECK_EQ(g_world.sent_ids[before + 1], g_world.sent_ids[3]);
    CHECK_TEXT(g_world.acts, "SRS");
    CHECK_EQ(agent_counts(g_agent)->crashes, 1);
}

TEST(a_crash_without_connections_leaves_nothing_running)
{
    struct tenant *t = running(S);
    agent_gone(g_agent, t, NULL, 2 * S);
    CHECK_EQ(t->state, TENANT_ABSENT);
    CHECK_TEXT(t->error, "went away unasked");
    agent_gone(g_agent, t, NULL, 2 * S); /* told twice: EXITED and the end of the socket */
    CHECK_EQ(t->failures, 1);
}

TEST(failed_starts_back_off_longer_each_time_and_a_success_ends_it)
{
    struct tenant *t = fresh();
    uint64_t now = S;
    static const uint64_t waits[] = {100 * MS, 200 * MS, 400 * MS, 800 * MS, 1 * S, 1 * S};
    agent_connection_add(g_agent, t, 1, now);
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
        agent_tick(g_agent, now);
        REQUIRE(t->state == TENANT_STARTING);
        agent_gone(g_agent, t, "refused", now);
        CHECK_EQ(t->state, TENANT_FAILED);
        CHECK(agent_tick(g_agent, now) <= now + waits[i]);
        agent_tick(g_agent, now + waits[i] - 1);
        CHECK_EQ(t->state, TENANT_FAILED);
        now += waits[i];
    }
    CHECK_TEXT(t->error, "refused");
    agent_tick(g_agent, now);
    tell(t, HANDOVER_READY, 0, now);
    CHECK_EQ(t->state, TENANT_RUNNING);
    now += 20 * S;
    agent_connection_add(g_agent, t, 2, now);
    agent_gone(g_agent, t, NULL, now);
    CHECK_EQ(t->state, TENANT_QUEUED);
}

TEST(a_start_that_takes_too_long_is_killed_and_named)
{
    struct tenant *t = fresh();
    agent_connection_add(g_agent, t, 1, S);
    agent_tick(g_agent, S);
    agent_tick(g_agent, 11 * S);
    CHECK_TEXT(g_world.acts, "SK");
    agent_gone(g_agent, t, NULL, 11 * S);
    CHECK_EQ(t->state, TENANT_FAILED);
    CHECK_TEXT(t->error, "was not ready in time");
}

TEST(an_idle_server_is_drained_after_its_last_plaintext)
{
    struct tenant *t = running(S);
    g_world.page_ns = 50 * S;
    agent_tick(g_agent, 61 * S);
    CHECK_EQ(t->state, TENANT_RUNNING);
    CHECK_EQ(agent_tick(g_agent, 62 * S), 110 * S);
    agent_tick(g_agent, 110 * S);
    CHECK_EQ(t->state, TENANT_DRAINING);
    agent_gone(g_agent, t, NULL, 110 * S);
    CHECK_EQ(t->state, TENANT_ABSENT);
    CHECK_TEXT(g_world.acts, "SDR");
    CHECK_EQ(t->failures, 0);
}

TEST(a_status_page_from_the_future_counts_as_now)
{
    struct tenant *t = running(S);
    g_world.page_ns = UINT64_MAX;
    CHECK_EQ(agent_tick(g_agent, 61 * S), 121 * S);
    g_world.page_ns = 0;
    agent_tick(g_agent, 121 * S);
    CHECK_EQ(t->state, TENANT_DRAINING);
}

TEST(a_connection_that_races_the_stop_is_served_by_the_next_server)
{
    struct tenant *t = running(S);
    agent_tick(g_agent, 61 * S);
    REQUIRE(t->state == TENANT_DRAINING);
    agent_connection_add(g_agent, t, 5, 61 * S);
    CHECK_EQ(g_world.sent_count, 1);
    agent_gone(g_agent, t, NULL, 62 * S);
    CHECK_EQ(t->state, TENANT_QUEUED);
    agent_tick(g_agent, 62 * S);
    CHECK_EQ(g_world.sent_count, 2);
    CHECK_EQ(g_world.closed_count, 1);
    CHECK_TEXT(g_world.acts, "SDRS");
}

TEST(a_connection_that_crossed_the_drain_comes_back_and_is_served)
{
    struct tenant *t = running(S);
    agent_connection_add(g_agent, t, 5, 2 * S);
    agent_tenant_stop(g_agent, t, 2 * S);
    tell(t, HANDOVER_RETURNED, g_world.sent_ids[1], 2 * S);
    CHECK_EQ(t->waiting_count, 1);
    CHECK_EQ(t->state, TENANT_DRAINING);
    agent_gone(g_agent, t, NULL, 2 * S);
    agent_tick(g_agent, 2 * S);
    CHECK_EQ(t->state, TENANT_STARTING);
    CHECK_EQ(g_world.sent_ids[2], g_world.sent_ids[1]);
}

TEST(a_drain_that_takes_too_long_ends_in_a_kill)
{
    struct tenant *t = running(S);
    agent_tenant_stop(g_agent, t, 2 * S);
    agent_tick(g_agent, 7 * S);
    CHECK_TEXT(g_world.acts, "SDK");
    agent_gone(g_agent, t, NULL, 7 * S);
    CHECK_EQ(t->state, TENANT_ABSENT);
}

TEST(starts_are_first_come_first_served_and_two_at_once)
{
    struct tenant *t[4];
    fresh();
    for (int i = 0; i < 4; i++) {
        char name[] = {(char)('a' + i), '\0'};
        REQUIRE(agent_tenant_add(g_agent, slice_of_text(name), &t[i]) == 0);
        agent_connection_add(g_agent, t[i], i, S);
    }
    agent_tick(g_agent, S);
    CHECK_EQ(t[1]->state, TENANT_STARTING);
    CHECK_EQ(t[2]->state, TENANT_QUEUED);
    tell(t[0], HANDOVER_READY, 0, S);
    agent_tick(g_agent, S);
    CHECK_EQ(t[2]->state, TENANT_STARTING);
    CHECK_EQ(t[3]->state, TENANT_QUEUED);
    agent_gone(g_agent, t[1], NULL, S);
    agent_tick(g_agent, S);
    CHECK_EQ(t[3]->state, TENANT_STARTING);
}

TEST(a_start_waits_for_memory)
{
    struct tenant *t = fresh();
    g_world.memory = 109;
    agent_connection_add(g_agent, t, 1, S);
    uint64_t next = agent_tick(g_agent, S);
    CHECK_EQ(t->state, TENANT_QUEUED);
    CHECK(next > S && next < 2 * S);
    g_world.memory = 110;
    agent_tick(g_agent, next);
    CHECK_EQ(t->state, TENANT_STARTING);
}

TEST(a_start_waits_for_a_launcher_and_nobody_is_started_for_who_has_gone)
{
    struct tenant *t = fresh();
    g_world.start_result = -EAGAIN;
    agent_connection_add(g_agent, t, 1, S);
    agent_tick(g_agent, S);
    CHECK_EQ(t->state, TENANT_QUEUED);
    g_world.start_result = 0;
    agent_tick(g_agent, 31 * S);
    CHECK_EQ(t->state, TENANT_ABSENT);
    CHECK_EQ(g_world.closed_count, 1);
    CHECK_TEXT(g_world.acts, "s");
}

TEST(a_full_hand_over_socket_is_tried_again)
{
    struct tenant *t = running(S);
    agent_tick(g_agent, S);
    g_world.send_result = -EAGAIN;
    agent_connection_add(g_agent, t, 1, S);
    CHECK_EQ(t->waiting_count, 1);
    g_world.send_result = 0;
    uint64_t next = agent_tick(g_agent, S);
    CHECK(next < 2 * S);
    agent_tick(g_agent, next);
    CHECK_EQ(t->waiting_count, 0);
}

TEST(shutting_down_drains_all_and_starts_nothing)
{
    struct tenant *t = running(S), *queued = NULL;
    REQUIRE(agent_tenant_add(g_agent, slice_of_text("other"), &queued) == 0);
    agent_connection_add(g_agent, queued, 3, S);
    agent_shut_down(g_agent, S);
    CHECK_EQ(queued->state, TENANT_ABSENT);
    CHECK_EQ(t->state, TENANT_DRAINING);
    agent_connection_add(g_agent, t, 4, S);
    CHECK_EQ(t->waiting_count, 0);
    CHECK(!agent_is_quiet(g_agent));
    agent_gone(g_agent, t, NULL, S);
    CHECK(agent_is_quiet(g_agent));
    agent_tick(g_agent, 100 * S);
    CHECK_TEXT(g_world.acts, "SDR");
}

TEST(names_of_tenants_are_dns_labels)
{
    static const char *const bad[] = {"", "-a", "a-", "A", "a.b", "a_b", "a/b"};
    struct tenant *t = NULL;
    fresh();
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
        CHECK_EQ(agent_tenant_add(g_agent, slice_of_text(bad[i]), &t), -EINVAL);
    char name[AGENT_TENANT_NAME_SIZE + 1];
    memset(name, 'a', sizeof name);
    CHECK_EQ(agent_tenant_add(g_agent, slice_of(name, 64), &t), -EINVAL);
    CHECK_EQ(agent_tenant_add(g_agent, slice_of(name, 63), &t), 0);
    CHECK_EQ(agent_tenant_add(g_agent, slice_of(name, 63), &t), -EEXIST);
    CHECK(agent_tenant_find(g_agent, slice_of(name, 63)) == t);
    CHECK(!agent_tenant_find(g_agent, slice_of_text("nobody")));
    agent_free(g_agent);
    g_agent = NULL;
}

TAP_MAIN()
