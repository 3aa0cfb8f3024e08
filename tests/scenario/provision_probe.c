/* SPDX-License-Identifier: Apache-2.0 */
/* A runtime without a runtime, for tests of the key broker: attests with the simulated device,
 * prints what it was given, then plays a volume's owner by the words on its standard input.
 *
 *   provision-probe KBS PIN TENANT POLICY PROGRAM DEVICE VOLUME_DIR INSTANCE PATIENCE_MS
 *   open | report SEQUENCE | close SEQUENCE | rest | bench COUNT
 *   erase-key N | erase-drop N
 *   mount | put NAME BYTE SIZE | size NAME | forget NAME | keys | unmount: a real volume */
#include "attest/json_memory.h"
#include "base/hex.h"
#include "platform/host.h"
#include "platform/linux/sim_device.h"
#include "runtime/net/tls_context.h"
#include "runtime/provision/provision.h"
#include "runtime/vfs/volume_order.h"
#include "volume/backend.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static struct runtime_config g_config;
static struct volume_head g_head;

static void result(const char *what, int r, const struct error *e)
{
    printf("%s %d %s\n", what, r, r < 0 ? error_text(e, r) : "");
    fflush(stdout);
}

static void config_print(const struct runtime_config *c)
{
    for (char *const *arg = c->argv; *arg; arg++)
        printf("arg %s\n", *arg);
    for (char *const *env = c->envp; *env; env++)
        printf("env %s\n", *env);
    for (unsigned i = 0; i < c->volume_count; i++)
        printf("volume %s mode %d create %d compress %d dir %s\n", c->volumes[i].name,
               (int)c->volumes[i].mode, c->volumes[i].create, c->volumes[i].compress,
               c->volumes[i].host_dir);
    for (unsigned i = 0; i < c->file_rule_count; i++)
        printf("file %s class %d\n", c->file_rules[i].prefix, (int)c->file_rules[i].class);
    for (unsigned i = 0; i < c->net_rule_count; i++)
        printf("net %s %u class %d tls %d\n", c->net_rules[i].listen ? "listen" : "connect",
               c->net_rules[i].port, (int)c->net_rules[i].class, c->net_rules[i].tls != NULL);
    for (unsigned i = 0; i < c->secret_file_count; i++)
        printf("secret-file %s %o %zu\n", c->secret_files[i].path, c->secret_files[i].mode,
               c->secret_files[i].bytes.size);
    for (unsigned i = 0; i < c->net_rule_count; i++)
        if (c->net_rules[i].protocol != NET_TCP)
            printf("net protocol %d %s\n", (int)c->net_rules[i].protocol, c->net_rules[i].address);
    printf("explain %d\n", c->explain);
    for (unsigned i = 0; i < c->net_rule_count; i++)
        if (c->net_rules[i].tls)
            printf("%.*s", (int)c->net_rules[i].tls->certificate_chain.size,
                   (const char *)c->net_rules[i].tls->certificate_chain.bytes);
}

/* Key and evidence are known; how long does coming back take? */
static void bench(int count)
{
    const struct volume_authority *a = g_config.volumes[0].authority;
    int64_t start = host_monotonic_ns();
    int r = 0;
    for (int i = 0; i < count && r == 0; i++) {
        provision_rest();
        g_head.sequence++;
        r = a->report(a->ctx, g_config.volumes[0].id, &g_head);
    }
    printf("bench %d %lld ns each\n", r, (long long)((host_monotonic_ns() - start) / count));
    fflush(stdout);
}

/* Another certificate, as the network shield asks for when the first grows old: used as it would be. */
static void renew(void)
{
    struct slice chain = {0}, key = {0};
    struct error e = {0};
    struct tls_context *context = NULL;
    int r = provision_certificate(&chain, &key, &e);
    if (r == 0) {
        struct runtime_tls tls = {.certificate_chain = chain, .private_key = key};
        r = tls_context_new_server(&tls, &context, &e);
    }
    if (r == 0 && tls_certificate_renewal(chain) == INT64_MAX)
        r = error_set(&e, -EBADMSG, "its dates cannot be read");
    result("renew", r, &e);
    tls_context_free(context);
    free((void *)(uintptr_t)chain.bytes);
    free((void *)(uintptr_t)key.bytes);
}

static struct volume *g_volume;
static struct volume_backend *g_backend;

static int no_lock(struct volume_backend *b)
{
    (void)b;
    return 0;
}

static void no_unlock(struct volume_backend *b)
{
    (void)b;
}

/* Storage that several nodes share has locks that reach no other node. */
static void storage_share(void)
{
    static struct volume_backend_ops ops;
    ops = *g_backend->ops;
    ops.lock = no_lock;
    ops.unlock = no_unlock;
    g_backend->ops = &ops;
}

/* As the file shield does at a start. */
static int mount(bool shared, struct error *e)
{
    const struct runtime_volume *rv = &g_config.volumes[0];
    int r = volume_dir_open(rv->host_dir, true, &g_backend);
    if (r == 0 && shared)
        storage_share();
    struct volume_options options = {
        .backend = g_backend, .key = &rv->key, .authority = rv->authority, .mode = rv->mode};
    if (r < 0)
        return r;
    memcpy(options.id, rv->id, sizeof options.id);
    volume_order_key(rv, &options);
    if (rv->create)
        r = volume_create(&options, 0, 0, e);
    if (r == 0)
        r = volume_open(&options, &g_volume, e);
    if (r == 0)
        volume_order_run(rv, g_volume);
    return r;
}

static int put(const char *name, int byte, size_t size)
{
    const struct volume_attr attr = {.mode = 0100600};
    uint64_t ino;
    char *bytes = malloc(size);
    int r =
        volume_make(g_volume, VOLUME_ROOT_INO, slice_of_text(name), &attr, (struct slice){0}, &ino);
    memset(bytes, byte, size);
    ssize_t n = r == 0 ? volume_write(g_volume, ino, 0, bytes, size) : r;
    free(bytes);
    return n < 0 ? (int)n : volume_sync(g_volume, 0, false);
}

static int size_of(const char *name)
{
    struct volume_attr a = {0};
    uint64_t ino;
    int r = volume_lookup(g_volume, VOLUME_ROOT_INO, slice_of_text(name), &ino);
    if (r == 0)
        r = volume_getattr(g_volume, ino, &a);
    return r < 0 ? r : (int)a.size;
}

/* What nobody but a test may do: the keys, for a second reader. */
static void keys_print(void)
{
    const struct runtime_volume *rv = &g_config.volumes[0];
    char text[65];
    hex_encode(slice_of(rv->key.bytes, sizeof rv->key.bytes), text);
    printf("key %s", text);
    struct volume_stats stats = {0};
    volume_statfs(g_volume, &stats);
    for (uint32_t n = 1; n <= stats.erase_epoch; n++) {
        struct key256 key;
        if (rv->authority->erase_key(rv->authority->ctx, rv->id, n, &key) < 0)
            continue;
        hex_encode(slice_of(key.bytes, sizeof key.bytes), text);
        printf(" %u=%s", n, text);
    }
    printf("\n");
    fflush(stdout);
}

static bool volume_command(const char *line)
{
    char name[64];
    unsigned long long byte = 0, size = 0;
    struct error e = {0};
    if (strncmp(line, "mount", 5) == 0)
        result("mount", mount(strstr(line, "shared") != NULL, &e), &e);
    else if (sscanf(line, "put %60s %llu %llu", name, &byte, &size) == 3)
        result("put", put(name, (int)byte, size), &e);
    else if (sscanf(line, "size %60s", name) == 1)
        result("size", size_of(name), &e);
    else if (sscanf(line, "forget %60s", name) == 1)
        result("forget", volume_erase_path(g_volume, name), &e);
    else if (strncmp(line, "keys", 4) == 0)
        keys_print();
    else if (strncmp(line, "unmount", 7) == 0)
        result("unmount", volume_close(g_volume), &e);
    else
        return false;
    return true;
}

static void command(const char *line)
{
    if (volume_command(line))
        return;
    const struct volume_authority *a = g_config.volumes[0].authority;
    const uint8_t *id = g_config.volumes[0].id;
    static const uint8_t opening[16] = {1};
    unsigned long long n = 0;
    struct error e = {0};
    if (strncmp(line, "open", 4) == 0) {
        int r = a->open(a->ctx, id, opening, &g_head, &e);
        result("open", r, &e);
        if (r == 0)
            printf("head %llu %llu\n", (unsigned long long)g_head.epoch,
                   (unsigned long long)g_head.sequence);
        fflush(stdout);
    } else if (sscanf(line, "report %llu", &n) == 1) {
        g_head.sequence = n;
        g_head.tag[0] = (uint8_t)n;
        result("report", a->report(a->ctx, id, &g_head), &e);
    } else if (sscanf(line, "close %llu", &n) == 1) {
        g_head.sequence = n;
        g_head.tag[0] = (uint8_t)n;
        result("close", a->close(a->ctx, id, &g_head), &e);
    } else if (sscanf(line, "erase-key %llu", &n) == 1) {
        struct key256 key;
        result("erase-key", a->erase_key(a->ctx, id, (uint32_t)n, &key), &e);
    } else if (sscanf(line, "erase-drop %llu", &n) == 1) {
        result("erase-drop", a->erase_drop(a->ctx, id, (uint32_t)n), &e);
    } else if (strncmp(line, "renew", 5) == 0) {
        renew();
    } else if (sscanf(line, "bench %llu", &n) == 1) {
        bench((int)n);
    } else {
        provision_rest();
        result("rest", 0, &e);
    }
}

static int provision(char **argv, struct error *e)
{
    struct sim_identity id = {0};
    struct provision_options options = {.kbs = argv[1],
                                        .kbs_pin = argv[2],
                                        .tenant = argv[3],
                                        .policy = argv[4],
                                        .program = argv[5],
                                        .volume_dir = argv[7],
                                        .handover_fd = -1,
                                        .handover_status_fd = -1,
                                        .patience_ms = strtoll(argv[9], NULL, 10)};
    int r = sim_device_measure("/proc/self/exe", id.runtime, e);
    if (r == 0)
        r = sim_device_measure(argv[5], id.program, e);
    if (r == 0 && argv[8][0])
        r = hex_decode(slice_of_text(argv[8]), id.instance, sizeof id.instance);
    if (r == 0)
        r = sim_device_set(argv[6], &id, e);
    if (r == 0)
        r = provision_warm(); /* as a launcher does */
    clock_t cpu = clock();
    int64_t start_ns = host_monotonic_ns();
    if (r == 0)
        r = provision_run(&options, &g_config, e);
    printf("took %lld us, cpu %ld us\n", (long long)(host_monotonic_ns() - start_ns) / 1000,
           clock() - cpu);
    return r;
}

int main(int argc, char **argv)
{
    struct error e = {0};
    char line[128];
    if (argc != 10) {
        fprintf(stderr, "nine arguments, please\n");
        return 2;
    }
    platform_set(&platform_sim);
    int r = provision(argv, &e);
    result("provision", r, &e);
    if (r < 0)
        return 1;
    config_print(&g_config);
    printf("end\n");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin))
        command(line);
    return 0;
}
