/* SPDX-License-Identifier: Apache-2.0 */
/* coffer-kbs: the key broker service. Starts from a manifest and its own sealed state, without an
 * operator; see docs/policy.md. */
#include "attest/json_memory.h"
#include "base/options.h"
#include "crypto/provider.h"
#include "kbs/front.h"
#include "kbs/identity.h"
#include "kbs/keeper.h"
#include "kbs/peer.h"
#include "kbs/recovery.h"
#include "server/address.h"
#include "server/log_stderr.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PULSE_NS 1000000000ull
#define SHARES_MAX 16
/* How long the network process of a key broker that was killed may still hold its port. */
#define LISTEN_TRIES 200
#define LISTEN_PAUSE_NS 10000000

struct settings {
    const char *bootstrap, *state, *listen, *port_file, *native, *check, *log_level, *collateral,
        *peer, *restore, *shares;
    uint64_t promote_after_s;
    bool standby, seal_to_signer, print_pin, print_refusals, help;
};

#define ROW(name_, kind_, member_, fallback_, value_, help_)                             \
    {                                                                                    \
        name_, kind_, offsetof(struct settings, member_), fallback_, value_, help_, 0, 0 \
    }
static const struct option_row rows[] = {
    ROW("bootstrap", OPTION_TEXT, bootstrap, NULL, "MANIFEST",
        "the manifest to start with (YAML); its hash is part of the evidence"),
    ROW("state", OPTION_TEXT, state, NULL, "DIR", "directory of the state; made if absent"),
    ROW("listen", OPTION_TEXT, listen, "127.0.0.1:8500", "ADDRESS:PORT", "where to serve HTTPS"),
    ROW("port-file", OPTION_TEXT, port_file, NULL, "FILE", "write the port there when ready"),
    ROW("collateral", OPTION_TEXT, collateral, NULL, "DIR",
        "vendors' statements, for evidence of TDX, SEV-SNP and SGX"),
    ROW("peer", OPTION_TEXT, peer, NULL, "ADDRESS:PORT",
        "the other of two key brokers with one state (manifest: freshness: peer)"),
    ROW("standby", OPTION_FLAG, standby, NULL, NULL,
        "with --peer, at the first start: be the standby"),
    {"promote-after", OPTION_UINT, offsetof(struct settings, promote_after_s), "0", "SECONDS",
     "with --peer: a standby that hears nothing for so long promotes itself (0: when asked)", 0,
     86400},
    ROW("restore", OPTION_TEXT, restore, NULL, "FILE",
        "begin a new state from this backup; needs --shares"),
    ROW("shares", OPTION_TEXT, shares, NULL, "FILE,FILE,...",
        "opened shares: they restore the root key, of a backup or of the state that is there"),
    ROW("print-pin", OPTION_FLAG, print_pin, NULL, NULL, "print who we are as a pin, and exit"),
    ROW("print-refusals", OPTION_FLAG, print_refusals, NULL, NULL,
        "print the table of refusals for the manual, and exit"),
    ROW("check-policy", OPTION_TEXT, check, NULL, "FILE", "say whether a policy parses, and exit"),
    ROW("log-level", OPTION_TEXT, log_level, "notice", "LEVEL", "error, warning, notice or debug"),
    ROW("insecure__native", OPTION_TEXT, native, NULL, "DEVICE",
        "run without the runtime, with the simulated device in this file: for tests"),
    ROW("insecure__seal-to-signer", OPTION_FLAG, seal_to_signer, NULL, NULL,
        "with insecure__native: let any other build unseal the state"),
    ROW("help", OPTION_FLAG, help, NULL, NULL, "print this"),
};

static int complain(const struct error *e, int code)
{
    fprintf(stderr, "coffer-kbs: %s\n", error_text(e, code));
    return code == -EINVAL ? 2 : 1;
}

static int file_read(const char *path, size_t size_max, struct buf *ret_bytes, struct error *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(e, -errno, "cannot open '%s'", path);
    ret_bytes->size_max = size_max;
    ssize_t n;
    do {
        uint8_t *to = buf_reserve(ret_bytes, 4096);
        n = to ? read(fd, to, 4096) : -1;
        if (!to)
            errno = EFBIG;
        if (n > 0)
            ret_bytes->size += (size_t)n;
    } while (n > 0);
    int r = n < 0 ? -errno : 0;
    close(fd);
    return r < 0 ? error_set(e, r, "cannot read '%s'", path) : 0;
}

static int manifest_load(const char *path, struct manifest **ret_manifest, struct error *e)
{
    SCOPED(buf_done) struct buf text = {0};
    int r = file_read(path, 256 << 10, &text, e);
    if (r == 0)
        r = manifest_parse(buf_slice(&text), ret_manifest, e);
    return r < 0 ? error_prefix(e, r, "manifest '%s'", path) : 0;
}

static int policy_check(const char *path)
{
    SCOPED(buf_done) struct buf text = {0};
    SCOPED(policy_freep) struct policy *policy = NULL;
    struct error e = {0};
    int r = file_read(path, 256 << 10, &text, &e);
    if (r == 0)
        r = policy_parse(buf_slice(&text), &policy, &e);
    if (r < 0) {
        fprintf(stderr, "%s: %s\n", path, error_text(&e, r));
        return 1;
    }
    printf("%s: good; policy %s of tenant %s\n", path, policy->name, policy->tenant);
    return 0;
}

static int identity_load(const struct settings *s, const struct manifest *manifest,
                         struct identity *ret, struct error *e)
{
    if (!s->native)
        return identity_from_runtime(manifest->hash, ret, e);
    LOG_WARNING("insecure__native: nothing protects this key broker's memory, and its evidence "
                "says so");
    if (s->seal_to_signer)
        LOG_WARNING("insecure__seal-to-signer: any build can unseal this key broker's state");
    return identity_native(s->native, manifest->hash, s->seal_to_signer, ret, e);
}

static int pin_print(const struct identity *identity)
{
    SCOPED(buf_done) struct buf text = {0};
    struct who who;
    pin_from_evidence(&identity->self, &who);
    if (pin_write(&who, &text) < 0)
        return 1;
    printf("%.*s\n", (int)text.size, (const char *)text.bytes);
    return 0;
}

/* The manual's page is made from this (tools/refusals-page.sh). */
static int refusals_print(void)
{
    printf("| Code | Meaning | What to do |\n|---|---|---|\n");
    for (unsigned i = REFUSAL_NONE + 1; i < REFUSAL_COUNT; i++)
        printf("| `%s` | %s | %s |\n", refusal_code((enum refusal_reason)i),
               refusal_message((enum refusal_reason)i), refusal_remedy((enum refusal_reason)i));
    return 0;
}

/* Complete or not at all: whoever waits for it reads a number. */
static int port_write(const char *path, uint16_t port, struct error *e)
{
    char temporary[4096];
    int len = snprintf(temporary, sizeof temporary, "%s.new", path);
    FILE *file = len > 0 && (size_t)len < sizeof temporary ? fopen(temporary, "we") : NULL;
    if (!file)
        return error_set(e, -EIO, "cannot write '%s'", path);
    int ok = fprintf(file, "%u\n", port) > 0;
    ok = fclose(file) == 0 && ok;
    return ok && rename(temporary, path) == 0 ? 0 : error_set(e, -EIO, "cannot write '%s'", path);
}

static void stop(void *arg)
{
    keeper_drain(arg);
}

/* Once a second, while there are two key brokers. */
struct pulse {
    struct loop *loop;
    struct loop_timer timer;
    struct kbs *kbs;
};

static void pulse_beat(void *arg)
{
    struct pulse *pulse = arg;
    if (!store_busy(pulse->kbs->store))
        peer_tick(pulse->kbs->peer);
    if (loop_timer_set(pulse->loop, &pulse->timer, loop_now_ns(pulse->loop) + PULSE_NS, pulse_beat,
                       pulse) < 0)
        LOG_ERROR("no timer: the standby will not see that this key broker lives");
}

/* The other half of the key broker, and what is said with it. */
struct network {
    pid_t pid; /* 0: not started */
    int fd;    /* the line; -1: given away */
    uint16_t port;
};

static int listen_on(const char *address, uint16_t *ret_port, struct error *e)
{
    const struct timespec pause = {.tv_nsec = LISTEN_PAUSE_NS};
    for (unsigned i = 0;; i++) {
        *e = (struct error){0};
        int fd = address_listen(address, "--listen", ret_port, e);
        if (fd != -EADDRINUSE || i == LISTEN_TRIES)
            return fd;
        (void)nanosleep(&pause, NULL);
    }
}

/* Before there is any key in memory. */
static int network_start(const struct settings *s, struct network *ret, struct error *e)
{
    int fd = listen_on(s->listen, &ret->port, e);
    return fd < 0 ? fd : front_start(fd, &ret->pid, &ret->fd, e);
}

static int serve(const struct settings *s, struct kbs *kbs, struct identity *identity,
                 struct network *network, struct error *e)
{
    struct pulse pulse = {.kbs = kbs};
    SCOPED(loop_freep) struct loop *loop = NULL;
    struct keeper *keeper = NULL;
    int r = loop_new(&loop);
    int fd = network->fd;
    if (r < 0)
        return error_set(e, r, "cannot make an event loop");
    network->fd = -1;
    r = keeper_new(loop, kbs, fd, identity->evidence, identity->ctx, &keeper, e);
    if (r == 0)
        r = loop_on_stop_signal(loop, stop, keeper);
    if (r == 0 && s->port_file)
        r = port_write(s->port_file, network->port, e);
    if (r < 0) {
        keeper_free(keeper);
        return r;
    }
    pulse.loop = loop;
    if (kbs->peer)
        pulse_beat(&pulse);
    LOG_NOTICE("ready", LOG_INT("port", network->port), LOG_TEXT("domain", kbs->manifest->domain));
    r = loop_run(loop);
    loop_timer_stop(loop, &pulse.timer);
    if (r == 0)
        r = keeper_result(keeper);
    if (r == -EPIPE)
        error_set(e, r, "the network process has ended by itself: so does the key broker");
    else if (r == -EBADMSG)
        error_set(e, r, "the network process said what it never says: it is not trusted any more");
    keeper_free(keeper);
    return r;
}

/* The root key out of files, whose texts are wiped again. */
static int shares_combine(const char *names, struct key256 *ret_root, struct error *e)
{
    struct buf texts[SHARES_MAX] = {{0}};
    struct slice slices[SHARES_MAX];
    char copy[4096], *save = NULL;
    unsigned count = 0;
    int r = snprintf(copy, sizeof copy, "%s", names) < (int)sizeof copy ? 0 : -ENAMETOOLONG;
    for (char *name = r == 0 ? strtok_r(copy, ",", &save) : NULL; name && r == 0;
         name = strtok_r(NULL, ",", &save)) {
        if (count == SHARES_MAX)
            return error_set(e, -E2BIG, "at most %d shares", SHARES_MAX);
        r = file_read(name, 64 << 10, &texts[count], e);
        slices[count] = buf_slice(&texts[count]);
        count += r == 0;
    }
    if (r == 0)
        r = recovery_combine(slices, count, ret_root, e);
    for (unsigned i = 0; i < count; i++)
        buf_done(&texts[i]);
    return r;
}

/* A state of this platform from a backup, or from one that another platform has sealed: with --shares
 * the root key is sealed anew. What is there is never overwritten by a backup. */
static int state_recover(const struct settings *s, const struct key256 *platform_key,
                         struct error *e)
{
    SCOPED(key256_wipe) struct key256 root = {0};
    SCOPED(buf_done) struct buf backup = {0}, database = {0};
    char path[4096];
    snprintf(path, sizeof path, "%.4000s/kbs.db", s->state);
    if (s->restore && !s->shares)
        return error_set(e, -EINVAL, "--restore needs --shares FILE,FILE,...");
    if (s->restore && access(path, F_OK) == 0)
        return error_set(e, -EEXIST, "'%s' has a state already: give --restore an empty directory",
                         s->state);
    int r = shares_combine(s->shares, &root, e);
    if (r == 0 && s->restore) {
        r = file_read(s->restore, BACKUP_SIZE_MAX, &backup, e);
        if (r == 0)
            r = backup_open(&root, buf_slice(&backup), &database);
        if (r == -EBADMSG || r == -EKEYREJECTED)
            r = error_set(e, r,
                          r == -EBADMSG
                              ? "'%s' is no backup"
                              : "'%s' is of another root key than these shares, or changed",
                          s->restore);
        if (r == 0)
            r = store_file_write(s->state, buf_slice(&database));
    }
    if (r == 0)
        r = store_root_write(s->state, platform_key, &root);
    if (r == 0)
        LOG_NOTICE("the root key was restored from shares");
    return r < 0 && !e->code ? error_set(e, r, "cannot write into '%s'", s->state) : r;
}

static int peer_start(const struct settings *s, struct identity *identity, struct kbs *kbs,
                      struct error *e)
{
    const struct peer_settings settings = {.dir = s->state,
                                           .address = s->peer,
                                           .standby = s->standby,
                                           .promote_after_ms = s->promote_after_s * 1000,
                                           .platform_key = &identity->seal_key,
                                           .evidence = identity->evidence,
                                           .evidence_ctx = identity->ctx};
    return peer_open(kbs, &settings, &kbs->peer, e);
}

/* Everything that has keys. */
static int broker_run(const struct settings *s, struct manifest *manifest, struct network *network,
                      struct error *e)
{
    SCOPED(manifest_freep) struct manifest *owned = manifest;
    SCOPED(kbs_freep) struct kbs *kbs = NULL;
    SCOPED(identity_done) struct identity identity = {0};
    int r = identity_load(s, manifest, &identity, e);
    if (r == 0 && (s->shares || s->restore))
        r = state_recover(s, &identity.seal_key, e);
    if (r < 0)
        return r;
    r = s->peer ? kbs_prepare(TAKE(owned), s->state, &identity.seal_key, &identity.self, &kbs, e)
                : kbs_open(TAKE(owned), s->state, &identity.seal_key, &identity.self, &kbs, e);
    if (r == 0 && s->peer)
        r = peer_start(s, &identity, kbs, e);
    key256_wipe(&identity.seal_key);
    if (r == 0 && kbs->manifest->tees != 1u << TEE_SIM)
        r = collateral_open(s->collateral, dcap_intel_root, &snp_amd_roots, kbs->now_s,
                            &kbs->collateral, e);
    return r < 0 ? r : serve(s, kbs, &identity, network, e);
}

static int who_print(const struct settings *s, const struct manifest *manifest, struct error *e)
{
    SCOPED(identity_done) struct identity identity = {0};
    int r = identity_load(s, manifest, &identity, e);
    return r < 0 ? r : pin_print(&identity);
}

static int run(const struct settings *s, struct error *e)
{
    SCOPED(manifest_freep) struct manifest *manifest = NULL;
    struct network network = {.fd = -1};
    if (!s->bootstrap)
        return error_set(e, -EINVAL, "--bootstrap MANIFEST is missing; --help lists all flags");
    int r = manifest_load(s->bootstrap, &manifest, e);
    if (r < 0)
        return r;
    if (s->print_pin)
        return who_print(s, manifest, e);
    r = s->native ? 0 : identity_runtime_here(e);
    if (r < 0)
        return r;
    if (!s->state)
        return error_set(e, -EINVAL, "--state DIR is missing");
    if (mkdir(s->state, 0700) < 0 && errno != EEXIST)
        return error_set(e, -errno, "cannot make the state directory '%s'", s->state);
    if ((manifest->freshness == FRESHNESS_PEER) != (s->peer != NULL))
        return error_set(e, -EINVAL,
                         s->peer ? "--peer goes with `freshness: peer` in the manifest"
                                 : "`freshness: peer` in the manifest needs --peer");
    r = network_start(s, &network, e);
    if (r == 0)
        r = broker_run(s, TAKE(manifest), &network, e);
    front_end(network.pid, network.fd);
    return r;
}

int main(int argc, char **argv)
{
    struct settings s = {0};
    struct error e = {0};
    int rest = 0;
    /* No configuration file of the host's; no core dump with keys in it. */
    if (crypto_start() < 0)
        return complain(&e, -ENOMEM);
    prctl(PR_SET_DUMPABLE, 0);
    json_memory_wipes();
    int r = options_parse(rows, ARRAY_COUNT(rows), argc - 1, argv + 1, &s, &rest, &e);
    if (r == 0 && rest > 0)
        r = error_set(&e, -EINVAL, "'%s' is no flag; --help lists all", argv[1]);
    if (r == 0)
        r = log_start("coffer-kbs", s.log_level);
    if (r < 0)
        return complain(&e, r);
    if (s.help) {
        SCOPED(buf_done) struct buf text = {0};
        options_help(rows, ARRAY_COUNT(rows), &text);
        printf("usage: coffer-kbs --bootstrap MANIFEST --state DIR [flags]\n%.*s", (int)text.size,
               (const char *)text.bytes);
        return 0;
    }
    if (s.print_refusals)
        return refusals_print();
    if (s.check)
        return policy_check(s.check);
    r = run(&s, &e);
    return r < 0 ? complain(&e, r) : r;
}
