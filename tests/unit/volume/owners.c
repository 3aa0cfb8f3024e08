/* SPDX-License-Identifier: Apache-2.0 */
/* Two nodes want one volume on shared storage: paused, cut off from the key broker, answers late or lost,
 * clocks jumping, all at random. Whatever one of them has acknowledged is there for whoever owns the
 * volume later, so never do two acknowledge. The lease is the key broker's own code.
 * OWNERS_SEEDS in the environment asks for more runs; OWNERS_SEED for one. */
#include "kbs/lease.h"
#include "support.h"
#include "tap.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { NODES = 2, EVENTS = 80, FILES_MAX = EVENTS * 8 };
#define SECOND ((int64_t)1000000000)

struct node {
    int number;
    struct volume *v; /* NULL: it has not got it */
    uint64_t epoch;
    int64_t mono_ns, wall_ns; /* what its clocks are off by */
    bool cut_off;
    uint64_t session;
};

struct world {
    struct random rn;
    enum volume_mode mode;
    bool wall_is_true; /* periodic: one clock may lie, the other runs on through every pause */
    int64_t now_ns;
    struct lease lease;
    struct lease_times times;
    struct volume_backend *disk;
    struct node nodes[NODES];
    char acknowledged[FILES_MAX][16];
    unsigned acknowledged_count, refused, late, event_count, depth;
    bool created;
    bool calm; /* nothing is lost or late any more */
    bool bad;
};

static struct world g_world;
static struct node *g_running; /* whose clocks are read */

/* --- the nodes' clocks --- */

static long node_call(long nr, const long args[6])
{
    if (nr != SYS_clock_gettime || !g_running)
        return platform_sim.call(nr, args);
    int64_t ns =
        g_world.now_ns + (args[0] == CLOCK_REALTIME ? g_running->wall_ns : g_running->mono_ns);
    struct timespec *ts = (struct timespec *)(uintptr_t)args[1];
    *ts = (struct timespec){.tv_sec = ns / SECOND, .tv_nsec = ns % SECOND};
    return 0;
}

static int64_t node_wall_ns(void)
{
    return g_world.now_ns + (g_running ? g_running->wall_ns : 0);
}

static void time_pass(int64_t max_ns)
{
    g_world.now_ns += (int64_t)random_below(&g_world.rn, (uint64_t)max_ns);
}

static void event_run(struct node *n);

/* The node stands still, the other one does not; then often one of its clocks has not noticed. */
static void node_pause(struct node *n, int64_t max_ns)
{
    int64_t begin = g_world.now_ns;
    time_pass(max_ns);
    if (g_world.depth++ == 0)
        for (uint64_t i = random_below(&g_world.rn, 5); i > 0; i--)
            event_run(&g_world.nodes[!n->number]);
    g_world.depth--;
    g_running = n;
    if (random_below(&g_world.rn, 2))
        *(g_world.wall_is_true ? &n->mono_ns : &n->wall_ns) -= g_world.now_ns - begin;
}

static void clocks_jump(struct node *n)
{
    int64_t jump = (int64_t)random_below(&g_world.rn, 60 * SECOND) - 30 * SECOND;
    bool any = g_world.mode == VOLUME_MODE_STRICT; /* which trusts no clock */
    if (any || g_world.wall_is_true)
        n->mono_ns += jump;
    if (any || !g_world.wall_is_true)
        n->wall_ns += jump;
}

/* --- the key broker, and the way there --- */

static struct lease_times broker_times(void)
{
    struct lease_times t = g_world.times;
    t.now_ms = (uint64_t)(g_world.now_ns / 1000000);
    return t;
}

/* A question does not arrive: the node waits a while for an answer. */
static bool is_lost(struct node *n)
{
    time_pass(SECOND / 50);
    if (g_world.calm || (!n->cut_off && random_below(&g_world.rn, 20) > 0))
        return false;
    time_pass(5 * SECOND);
    return true;
}

/* An answer takes its time, or the node stands still until it reads it, or it never comes. */
static int answered(struct node *n, int r)
{
    if (g_world.calm)
        return r;
    if (random_below(&g_world.rn, 6) == 0)
        node_pause(n, 40 * SECOND);
    return random_below(&g_world.rn, 20) == 0 ? -EAGAIN : r;
}

static void session_put(const struct node *n, uint8_t session[LEASE_SESSION_SIZE])
{
    memset(session, 0, LEASE_SESSION_SIZE);
    memcpy(session, &n->session, sizeof n->session);
}

static int broker_open(void *ctx, const uint8_t id[VOLUME_ID_SIZE], const uint8_t opening[16],
                       struct volume_head *ret_head, struct error *e)
{
    struct node *n = ctx;
    struct lease_owner owner = {.waits = g_world.mode == VOLUME_MODE_PERIODIC};
    struct lease_times t = broker_times();
    uint64_t wait_ms;
    (void)id;
    if (is_lost(n))
        return error_set(e, -EAGAIN, "no answer");
    t = broker_times();
    session_put(n, owner.session);
    int r = lease_open(&g_world.lease, &owner, opening, &t, &wait_ms);
    struct lease_head head = g_world.lease.head;
    r = answered(n, r);
    if (r < 0)
        return error_set(e, r, "another owner, or no answer");
    ret_head->epoch = n->epoch = head.epoch;
    ret_head->sequence = head.sequence;
    memcpy(ret_head->tag, head.tag, sizeof ret_head->tag);
    return 0;
}

static struct lease_head head_of(const struct volume_head *head)
{
    struct lease_head h = {.epoch = head->epoch, .sequence = head->sequence};
    memcpy(h.tag, head->tag, sizeof h.tag);
    return h;
}

static int broker_report(void *ctx, const uint8_t id[VOLUME_ID_SIZE],
                         const struct volume_head *head)
{
    struct node *n = ctx;
    uint8_t session[LEASE_SESSION_SIZE];
    struct lease_head h = head_of(head);
    (void)id;
    if (is_lost(n))
        return -EAGAIN;
    session_put(n, session);
    struct lease_times t = broker_times();
    int r = lease_report(&g_world.lease, session, &h, &t);
    return answered(n, r < 0 ? -ESTALE : 0);
}

static int broker_close(void *ctx, const uint8_t id[VOLUME_ID_SIZE], const struct volume_head *head)
{
    struct node *n = ctx;
    uint8_t session[LEASE_SESSION_SIZE];
    struct lease_head h = head_of(head);
    (void)id;
    if (is_lost(n))
        return -EAGAIN;
    session_put(n, session);
    struct lease_times t = broker_times();
    return lease_close(&g_world.lease, session, &h, &t) < 0 ? -ESTALE : 0;
}

static void broker_lease(void *ctx, const uint8_t id[VOLUME_ID_SIZE], struct volume_lease *lease)
{
    (void)ctx;
    (void)id;
    lease->term_ns = (int64_t)g_world.times.term_ms * 1000000;
}

/* --- shared storage: its lock reaches no other node --- */

static int no_lock(struct volume_backend *b)
{
    (void)b;
    return 0;
}

static void no_unlock(struct volume_backend *b)
{
    (void)b;
}

static struct volume_backend_ops g_shared_ops;

static void disk_share(struct volume_backend *disk)
{
    g_shared_ops = *disk->ops;
    g_shared_ops.lock = no_lock;
    g_shared_ops.unlock = no_unlock;
    disk->ops = &g_shared_ops;
}

/* --- what happens --- */

static struct volume_options options_of(struct node *n, struct volume_authority *authority)
{
    *authority = (struct volume_authority){.open = broker_open,
                                           .report = broker_report,
                                           .close = broker_close,
                                           .lease = broker_lease,
                                           .ctx = n};
    struct volume_options options = test_options(g_world.disk);
    options.authority = authority;
    options.mode = g_world.mode;
    options.now_ns = node_wall_ns;
    return options;
}

static struct node *owner_now(void)
{
    for (int i = 0; i < NODES; i++)
        if (g_world.nodes[i].v && g_world.nodes[i].epoch == g_world.lease.head.epoch)
            return &g_world.nodes[i];
    return NULL;
}

/* Everything acknowledged, by whomever, is there. */
static bool all_there(struct node *n, const char *when)
{
    uint64_t ino;
    for (unsigned i = 0; i < g_world.acknowledged_count; i++)
        if (volume_lookup(n->v, VOLUME_ROOT_INO, name_of(g_world.acknowledged[i]), &ino) < 0) {
            printf("# %s, node %d: %s was acknowledged, and is lost\n", when, n->number,
                   g_world.acknowledged[i]);
            return false;
        }
    return true;
}

static void node_open(struct node *n)
{
    static struct volume_authority authorities[NODES];
    struct volume_options options = options_of(n, &authorities[n->number]);
    n->session = random_next(&g_world.rn);
    struct error e = {0};
    if (volume_open(&options, &n->v, &e) < 0) {
        if (g_world.calm)
            printf("# at the end it does not open: %s\n", error_text(&e, -EIO));
        n->v = NULL;
        return;
    }
    g_world.bad |= !all_there(n, "opened");
}

static void node_end(struct node *n, bool clean)
{
    if (clean)
        (void)volume_close(n->v);
    else
        volume_abandon(n->v);
    n->v = NULL;
}

static void node_write(struct node *n)
{
    const struct volume_attr attr = {.mode = S_IFREG | 0600};
    char name[16];
    uint64_t ino;
    (void)snprintf(name, sizeof name, "n%d-%u", n->number, g_world.event_count);
    int r = volume_make(n->v, VOLUME_ROOT_INO, name_of(name), &attr, (struct slice){0}, &ino);
    if (r == 0)
        r = volume_sync(n->v, 0, false);
    if (r < 0) {
        g_world.refused++;
        if (r == -EROFS)
            node_end(n, false);
        return;
    }
    REQUIRE(g_world.acknowledged_count < FILES_MAX);
    memcpy(g_world.acknowledged[g_world.acknowledged_count++], name, sizeof name);
    /* Somebody else's by now? Then it was there when that one came. */
    struct node *owner = owner_now();
    g_world.late += n->epoch != g_world.lease.head.epoch;
    g_running = owner ? owner : n;
    g_world.bad |= owner && owner != n && !all_there(owner, "acknowledged by another");
    g_running = n;
}

static void event_run(struct node *n)
{
    struct world *w = &g_world;
    uint64_t what = random_below(&w->rn, 24);
    w->event_count++;
    g_running = n;
    if (what < 10 && n->v)
        node_write(n);
    else if (what < 13 && !n->v)
        node_open(n);
    else if (what < 15)
        n->cut_off = !n->cut_off && random_below(&w->rn, 2);
    else if (what < 17)
        clocks_jump(n);
    else if (what < 20)
        time_pass(4 * SECOND);
    else if (what < 22)
        node_pause(n, 40 * SECOND);
    else if (n->v)
        node_end(n, what == 22);
}

/* A volume that nobody has open. */
static void world_begin(uint64_t seed, enum volume_mode mode)
{
    struct world *w = &g_world;
    struct volume_authority authority;
    *w = (struct world){.rn = {seed}, .now_ns = 1000 * SECOND, .mode = mode};
    w->wall_is_true = seed / 2 % 2;
    w->times.term_ms = seed / 4 % 2 ? 15000 : 1000 + random_below(&w->rn, 5000);
    w->times.margin_ms = 1000 + w->times.term_ms / 10;
    REQUIRE(volume_mem_new(&w->disk) == 0);
    disk_share(w->disk);
    for (int i = 0; i < NODES; i++)
        w->nodes[i] = (struct node){.number = i, .wall_ns = 1700000000 * SECOND};
    g_running = &w->nodes[0];
    struct volume_options options = options_of(&w->nodes[0], &authority);
    int r;
    do
        r = volume_create(&options, 0, 0, NULL);
    while (r == -EAGAIN);
    w->created = r == 0;
}

static bool world_run(uint64_t seed)
{
    struct world *w = &g_world;
    world_begin(seed, seed % 2 ? VOLUME_MODE_STRICT : VOLUME_MODE_PERIODIC);
    for (int event = 0; w->created && !w->bad && event < EVENTS; event++)
        event_run(&w->nodes[random_below(&w->rn, NODES)]);
    for (int i = 0; i < NODES; i++) {
        g_running = &w->nodes[i];
        if (w->nodes[i].v)
            node_end(&w->nodes[i], false);
    }
    /* Whatever it has been through, it opens. */
    w->calm = true;
    w->now_ns += 100 * SECOND;
    if (w->created) {
        node_open(g_running);
        w->bad |= !g_running->v || volume_check(g_running->v, NULL, NULL) != 0;
    }
    if (g_running->v)
        node_end(g_running, true);
    g_running = NULL;
    volume_mem_free(w->disk);
    if (w->bad)
        printf("# seed %llu (OWNERS_SEED=%llu), %s\n", (unsigned long long)seed,
               (unsigned long long)seed, w->mode == VOLUME_MODE_STRICT ? "strict" : "periodic");
    return !w->bad;
}

static struct platform_ops g_platform;

TEST(two_owners_never_both_acknowledge)
{
    const char *more = getenv("OWNERS_SEEDS"), *one = getenv("OWNERS_SEED");
    uint64_t first = one ? strtoull(one, NULL, 10) : 1, bad = 0;
    uint64_t last = one ? first : more ? strtoull(more, NULL, 10) : 1000;
    uint64_t acknowledged = 0, refused = 0, late = 0;
    g_platform = platform_sim;
    g_platform.call = node_call;
    platform_set(&g_platform);
    for (uint64_t seed = first; seed <= last && bad < 3; seed++) {
        bad += !world_run(seed);
        acknowledged += g_world.acknowledged_count;
        refused += g_world.refused;
        late += g_world.late;
    }
    printf("# %llu runs: %llu acknowledged, %llu refused, %llu acknowledged when another had come "
           "and had "
           "it\n",
           (unsigned long long)(last - first + 1), (unsigned long long)acknowledged,
           (unsigned long long)refused, (unsigned long long)late);
    CHECK_EQ(bad, 0);
    CHECK(one || (acknowledged > 1000 && refused > 100));
}

static void node_write_unheard(struct node *n)
{
    g_world.calm = false;
    n->cut_off = true;
    g_world.event_count++;
    node_write(n);
    n->cut_off = false;
    g_world.calm = true;
}

/* Each owner is fenced when it writes; each opening goes another way than the one before. */
TEST(a_segment_behind_what_a_later_opening_passed_over_is_no_damage)
{
    struct node *a = &g_world.nodes[0], *b = &g_world.nodes[1];
    g_platform = platform_sim;
    g_platform.call = node_call;
    platform_set(&g_platform);
    world_begin(1, VOLUME_MODE_STRICT);
    g_world.calm = true;
    struct node *const opens[] = {b, a};
    for (size_t i = 0; i < ARRAY_COUNT(opens); i++) {
        g_running = opens[i];
        node_open(opens[i]); /* both see nothing */
        REQUIRE(opens[i]->v);
    }
    g_running = b;
    node_write_unheard(b);
    node_write_unheard(b);
    node_end(b, false);
    node_open(b); /* finds its own two */
    REQUIRE(b->v);
    g_running = a;
    node_write_unheard(a);
    node_end(a, false);
    node_open(a); /* finds that one, which an owner later than the other's wrote */
    REQUIRE(a->v);
    g_running = b;
    node_write_unheard(b); /* behind the two */
    node_end(b, false);
    node_open(b);
    CHECK(b->v);
    g_world.event_count++;
    if (b->v)
        node_write(b);
    CHECK_EQ(g_world.acknowledged_count, 1);
    for (int i = 0; i < NODES; i++)
        if (g_world.nodes[i].v)
            node_end(&g_world.nodes[i], false);
    g_running = a;
    node_open(a);
    CHECK(a->v && !g_world.bad && volume_check(a->v, NULL, NULL) == 0);
    if (a->v)
        node_end(a, true);
    g_running = NULL;
    volume_mem_free(g_world.disk);
}

/* --- who is fenced may sleep through more than one successor --- */

static struct volume *owner_open(const char *path, struct volume_backend **disk,
                                 struct test_authority *authority, bool create)
{
    static struct volume_backend_ops ops;
    struct volume *v = NULL;
    REQUIRE(volume_dir_open(path, true, disk) == 0);
    ops = *(*disk)->ops;
    ops.lock = no_lock;
    ops.unlock = no_unlock;
    (*disk)->ops = &ops;
    struct volume_options options = test_options(*disk);
    options.authority = &authority->ops;
    options.mode = VOLUME_MODE_PERIODIC;
    REQUIRE(!create || volume_create(&options, 0, 0, NULL) == 0);
    REQUIRE(volume_open(&options, &v, NULL) == 0);
    return v;
}

static uint64_t file_fill(struct volume *v, const char *name, uint64_t ino, uint8_t byte)
{
    static uint8_t bytes[1 << 20];
    const struct volume_attr attr = {.mode = S_IFREG | 0600};
    if (ino == 0)
        REQUIRE(volume_make(v, VOLUME_ROOT_INO, name_of(name), &attr, (struct slice){0}, &ino) ==
                0);
    memset(bytes, byte, sizeof bytes);
    for (unsigned i = 0; i < 3; i++)
        REQUIRE(volume_write(v, ino, i * sizeof bytes, bytes, sizeof bytes) ==
                (ssize_t)sizeof bytes);
    REQUIRE(volume_sync(v, ino, false) == 0);
    return ino;
}

struct seen {
    char name[256];
    int fd; /* held, so that its number stays its own */
    ino_t ino;
};

/* The files of a volume, at most `max`. */
static unsigned files_see(const char *path, struct seen *seen, unsigned max)
{
    unsigned count = 0;
    DIR *dir = opendir(path);
    REQUIRE(dir);
    for (const struct dirent *d; (d = readdir(dir));) {
        if (d->d_name[0] != '0')
            continue;
        REQUIRE(count < max);
        seen[count].fd = openat(dirfd(dir), d->d_name, O_RDONLY);
        REQUIRE(seen[count].fd >= 0);
        (void)snprintf(seen[count].name, sizeof seen->name, "%s", d->d_name);
        seen[count++].ino = d->d_ino;
    }
    closedir(dir);
    return count;
}

static unsigned renamed_count(const struct seen *before, unsigned count, const struct seen *now,
                              unsigned now_count)
{
    unsigned renamed = 0;
    for (unsigned i = 0; i < count; i++)
        for (unsigned k = 0; k < now_count; k++)
            renamed += before[i].ino == now[k].ino && strcmp(before[i].name, now[k].name) != 0;
    return renamed;
}

static void seen_done(const struct seen *seen, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        (void)close(seen[i].fd);
}

/* The second closed cleanly; the first, on whose descriptors that has no bearing, wakes up after it. */
TEST(a_file_that_an_owner_may_still_write_to_is_not_used_again)
{
    char path[] = "/tmp/coffer-owners-XXXXXX", command[64];
    static struct seen of_first[64], of_second[64], now[64];
    struct volume_backend *disks[3];
    struct test_authority authority;
    test_authority_init(&authority);
    REQUIRE(mkdtemp(path));
    platform_set(&platform_sim);
    struct volume *first = owner_open(path, &disks[0], &authority, true);
    uint64_t inos[3];
    for (unsigned i = 0; i < 3; i++)
        inos[i] = file_fill(first, (const char *[]){"a", "b", "c"}[i], 0, 1);
    (void)file_fill(first, NULL, inos[1], 1);
    unsigned first_count = files_see(path, of_first, ARRAY_COUNT(of_first));
    struct volume *second = owner_open(path, &disks[1], &authority, false);
    (void)file_fill(second, NULL, inos[0], 2);
    CHECK_EQ(volume_close(second), 0);
    unsigned second_count = files_see(path, of_second, ARRAY_COUNT(of_second));
    struct volume *third = owner_open(path, &disks[2], &authority, false);
    for (unsigned turn = 0; turn < 16; turn++)
        for (unsigned i = 0; i < 3; i++)
            (void)file_fill(third, NULL, inos[i], 3);
    unsigned now_count = files_see(path, now, ARRAY_COUNT(now));
    CHECK_EQ(renamed_count(of_first, first_count, now, now_count), 0);
    CHECK(renamed_count(of_second, second_count, now, now_count) > 0); /* the others are */
    CHECK_EQ(volume_check(third, NULL, NULL), 0);
    seen_done(of_first, first_count);
    seen_done(of_second, second_count);
    seen_done(now, now_count);
    volume_abandon(first);
    CHECK_EQ(volume_close(third), 0);
    for (unsigned i = 0; i < 3; i++)
        volume_dir_close(disks[i]);
    (void)snprintf(command, sizeof command, "rm -r %s", path);
    CHECK_EQ(system(command), 0);
}

TAP_MAIN()
