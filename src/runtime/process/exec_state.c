/* SPDX-License-Identifier: Apache-2.0 */
/* What a host exec of the runtime must know, in a sealed memfd. The reader trusts its format no
 * more than any other input: only this very program writes it, but the host could offer another.
 * Volume keys are not in it: the volume stays with its server (runtime/vfs/). */
#include "base/buf.h"
#include "base/reader.h"
#include "platform/host.h"
#include "runtime/config.h"
#include "runtime/confine/seccomp.h"
#include "runtime/explain/explain.h"
#include "runtime/fd_table.h"
#include "runtime/net/net.h"
#include "runtime/process/exec.h"
#include "runtime/process/exec_image.h"
#include "runtime/process/limits.h"
#include "runtime/process/process.h"
#include "runtime/syscall/trace.h"
#include "runtime/vfs/vfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define STATE_MAGIC 0x31584543464f43ull /* "COFCEX1" */
#define STATE_SIZE_MAX ((uint64_t)64 << 20)
#define TEXT_ABSENT UINT32_MAX

struct out {
    struct buf buf;
    int r; /* the first failure */
};

static void put(struct out *o, const void *bytes, size_t size)
{
    if (o->r == 0)
        o->r = buf_append(&o->buf, bytes, size);
}

static void put_number(struct out *o, uint64_t n)
{
    put(o, &n, sizeof(n));
}

static void put_slice(struct out *o, struct slice bytes)
{
    put_number(o, bytes.size);
    put(o, bytes.bytes, bytes.size);
}

static void put_text(struct out *o, const char *text)
{
    put_number(o, text ? strlen(text) : TEXT_ABSENT);
    if (text)
        put(o, text, strlen(text));
}

static void put_strings(struct out *o, const struct strings *s)
{
    put_number(o, s->count);
    for (size_t i = 0; i < s->count; i++)
        put_text(o, s->items[i]);
}

static void put_tls(struct out *o, const struct runtime_tls *tls)
{
    put_number(o, tls != NULL);
    if (!tls)
        return;
    put_slice(o, tls->certificate_chain);
    put_slice(o, tls->private_key);
    put_slice(o, tls->client_ca);
    put(o, &tls->ticket_key, sizeof(tls->ticket_key));
    put_number(o, tls->has_ticket_key);
    put_number(o, tls->version_min);
    put_text(o, tls->alpn);
    put_text(o, tls->certificate_file);
    put_text(o, tls->key_file);
}

/* What the program to come can never use is not given to it: its filter refuses all sockets, and it has
 * none. */
static bool has_use_for_tls(void)
{
    return !seccomp_refuses(thread_self(), SYS_socket) || net_exec_has_sockets();
}

static void put_config(struct out *o, const struct runtime_config *c)
{
    const bool tls = has_use_for_tls();
    put_number(o, c->has_policy);
    put_number(o, c->insecure_debug);
    put_number(o, c->trace);
    put_number(o, (uint64_t)trace_keep(true));
    put(o, c->trace_calls, sizeof(c->trace_calls));
    put_number(o, c->explain);
    put_number(o, explain_record_keep(true));
    put_number(o, 0); /* counters are the first process's */
    put_number(o, c->cache_size);
    put_number(o, c->file_rule_count);
    for (unsigned i = 0; i < c->file_rule_count; i++) {
        const struct runtime_file_rule *rule = &c->file_rules[i];
        put_text(o, rule->prefix);
        put_number(o, rule->class);
        put_number(o, rule->volume);
        put(o, rule->digest, sizeof(rule->digest));
        put_number(o, rule->read_only);
    }
    put_number(o, c->net_rule_count);
    for (unsigned i = 0; i < c->net_rule_count; i++) {
        const struct runtime_net_rule *rule = &c->net_rules[i];
        put_number(o, rule->listen);
        /* The hand-over socket stays with the program it was made for. */
        bool gone = rule->class == NET_CLASS_HANDOVER || (rule->tls && !tls);
        put_number(o, gone ? NET_CLASS_DENIED : rule->class);
        put_number(o, rule->protocol);
        put_text(o, rule->address);
        put_number(o, rule->port);
        put_tls(o, tls ? rule->tls : NULL);
        put_slice(o, rule->trust_pem);
        put_text(o, rule->server_name);
    }
    put_number(o, c->secret_file_count);
    for (unsigned i = 0; i < c->secret_file_count; i++) {
        put_text(o, c->secret_files[i].path);
        put_slice(o, c->secret_files[i].bytes);
        put_number(o, c->secret_files[i].mode);
    }
}

static int write_sealed(const struct buf *state)
{
    int fd = (int)host_call(SYS_memfd_create, "coffer-exec", MFD_ALLOW_SEALING);
    if (fd < 0)
        return fd;
    int r = host_pwrite(fd, state->bytes, state->size, 0);
    if (r == 0)
        r = (int)host_call(SYS_fcntl, fd, F_ADD_SEALS,
                           F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    if (r == 0)
        return fd;
    host_close(fd);
    return r;
}

/* The arguments before scripts have changed them: the other runtime follows the scripts again. */
static void put_given(struct out *o, const struct program *program)
{
    if (!program->first) {
        put_strings(o, &program->argv);
        return;
    }
    put_number(o, program->argv.count - program->inserted);
    put_text(o, program->first);
    for (size_t i = program->inserted + 1; i < program->argv.count; i++)
        put_text(o, program->argv.items[i]);
}

/* A program by descriptor may be out of reach by its name: it is handed over as it is open. 0: not so. */
static int program_fd(const struct program *program)
{
    return program->unreachable && program->image.fd > 0 ? program->image.fd : 0;
}

/* Where the next runtime finds the program: /proc/self/exe would be itself. */
static const char *path_of(const struct program *program)
{
    const char *path = program->path, *end = path + strlen(path);
    bool is_own_exe =
        strncmp(path, "/proc/", 6) == 0 && end - path > 10 && strcmp(end - 4, "/exe") == 0;
    return is_own_exe ? program->executable : path;
}

static int exec_runtime(int state_fd)
{
    char state[16], image[16];
    int image_fd;
    enum exec_image_use use = exec_image_take(&image_fd);
    (void)snprintf(state, sizeof(state), "%d", state_fd);
    (void)snprintf(image, sizeof(image), "%d", image_fd);
    const char *const argv[] = {"coffer-runtime",
                                RUNTIME_CONTINUE_FLAG,
                                state,
                                use != EXEC_IMAGE_NONE ? image : NULL,
                                use == EXEC_IMAGE_MAKE ? RUNTIME_IMAGE_FLAG : NULL,
                                NULL};
    const char *const envp[] = {NULL};
    int r = (int)host_call(SYS_execve, "/proc/self/exe", argv, envp);
    exec_image_release(use, image_fd);
    return r;
}

int exec_host(const struct program *program)
{
    struct out o = {.r = 0};
    put_number(&o, STATE_MAGIC);
    put_number(&o, (uint64_t)fd_hidden_base());
    put_number(&o, thread_self()->signal_mask);
    put(&o, process_self()->limits, sizeof process_self()->limits);
    put_text(&o, path_of(program));
    put_number(&o, (uint64_t)program_fd(program));
    put_given(&o, program);
    put_strings(&o, &program->envp);
    put_config(&o, g_config);
    struct buf shield = {0};
    if (o.r == 0)
        o.r = vfs_exec_save(&shield);
    put_slice(&o, buf_slice(&shield));
    buf_clear(&shield);
    if (o.r == 0)
        o.r = confined_save(&thread_self()->confined, &shield);
    put_slice(&o, buf_slice(&shield));
    buf_clear(&shield);
    if (o.r == 0)
        o.r = net_exec_save(&shield);
    put_slice(&o, buf_slice(&shield));
    buf_done(&shield);
    limits_file_size_lift();
    fd_room_enter();
    int fd = o.r < 0 ? o.r : write_sealed(&o.buf);
    fd_room_leave();
    limits_file_size_restore();
    buf_done(&o.buf);
    if (fd < 0)
        return fd;
    if (program_fd(program) > 0)
        (void)host_call(SYS_fcntl, program_fd(program), F_SETFD, 0);
    int r = exec_runtime(fd);
    (void)explain_record_keep(false);
    (void)trace_keep(false);
    host_close(fd);
    return r;
}

struct in {
    struct reader rd;
    int r;
};

static uint64_t get_number(struct in *in)
{
    uint64_t n;
    reader_copy(&in->rd, &n, sizeof(n));
    return n;
}

static unsigned get_count(struct in *in, unsigned max)
{
    uint64_t n = get_number(in);
    if (n > max)
        in->rd.failed = true;
    return n > max ? 0 : (unsigned)n;
}

/* Strings are copied: they live as long as the process. */
static char *get_text(struct in *in)
{
    uint64_t size = get_number(in);
    if (in->rd.failed || size == TEXT_ABSENT)
        return NULL;
    struct slice bytes = reader_slice(&in->rd, size);
    char *text = bytes.bytes ? malloc(bytes.size + 1) : NULL;
    if (!text) {
        in->rd.failed = true;
        return NULL;
    }
    memcpy(text, bytes.bytes, bytes.size);
    text[bytes.size] = '\0';
    return text;
}

static struct slice get_slice(struct in *in)
{
    return reader_slice(&in->rd, get_number(in)); /* the mapping stays */
}

static char **get_strings(struct in *in)
{
    unsigned count = get_count(in, PROGRAM_STRINGS_MAX / 8);
    char **items = calloc(count + 1, sizeof(*items));
    for (unsigned i = 0; items && i < count; i++)
        items[i] = get_text(in);
    if (!items)
        in->rd.failed = true;
    return items;
}

static const struct runtime_tls *get_tls(struct in *in)
{
    if (get_number(in) == 0)
        return NULL;
    struct runtime_tls *tls = calloc(1, sizeof(*tls));
    if (!tls) {
        in->rd.failed = true;
        return NULL;
    }
    tls->certificate_chain = get_slice(in);
    tls->private_key = get_slice(in);
    tls->client_ca = get_slice(in);
    reader_copy(&in->rd, &tls->ticket_key, sizeof(tls->ticket_key));
    tls->has_ticket_key = get_number(in);
    tls->version_min = (uint16_t)get_number(in);
    tls->alpn = get_text(in);
    tls->certificate_file = get_text(in);
    tls->key_file = get_text(in);
    return tls;
}

static void get_config(struct in *in, struct runtime_config *c)
{
    c->has_policy = get_number(in);
    c->insecure_debug = get_number(in);
    c->trace = get_number(in);
    c->trace_fd = (int)get_count(in, 1 << 20);
    reader_copy(&in->rd, c->trace_calls, sizeof(c->trace_calls));
    c->explain = get_number(in);
    c->record_fd = (int)get_count(in, 1 << 20);
    c->stats = get_number(in);
    c->cache_size = get_number(in);
    c->file_rule_count = get_count(in, RUNTIME_FILE_RULES_MAX);
    for (unsigned i = 0; i < c->file_rule_count; i++) {
        struct runtime_file_rule *rule = &c->file_rules[i];
        rule->prefix = get_text(in);
        rule->class = (enum file_class)get_number(in);
        rule->volume = (unsigned)get_number(in);
        reader_copy(&in->rd, rule->digest, sizeof(rule->digest));
        rule->read_only = get_number(in);
    }
    c->net_rule_count = get_count(in, RUNTIME_NET_RULES_MAX);
    for (unsigned i = 0; i < c->net_rule_count; i++) {
        struct runtime_net_rule *rule = &c->net_rules[i];
        rule->listen = get_number(in);
        rule->class = (enum net_class)get_number(in);
        rule->protocol = (enum net_protocol)get_number(in);
        rule->address = get_text(in);
        rule->port = (uint16_t)get_number(in);
        rule->tls = get_tls(in);
        rule->trust_pem = get_slice(in);
        rule->server_name = get_text(in);
    }
    c->secret_file_count = get_count(in, RUNTIME_SECRET_FILES_MAX);
    for (unsigned i = 0; i < c->secret_file_count; i++) {
        c->secret_files[i].path = get_text(in);
        c->secret_files[i].bytes = get_slice(in);
        c->secret_files[i].mode = (uint32_t)get_number(in);
    }
}

/* What is not configuration: the shields' own states, which they read themselves. */
struct state {
    int hidden_base;
    uint64_t mask;
    struct limit_view limits[LIMIT_KINDS];
    struct slice shield, confined, sockets;
};

static int state_read(struct slice bytes, struct runtime_config *ret_config,
                      struct state *ret_state)
{
    struct in in = {.rd = reader_over(bytes)};
    if (get_number(&in) != STATE_MAGIC)
        in.rd.failed = true;
    ret_state->hidden_base = (int)get_count(&in, 1 << 20);
    ret_state->mask = get_number(&in);
    reader_copy(&in.rd, ret_state->limits, sizeof ret_state->limits);
    ret_config->program = get_text(&in);
    ret_config->program_fd = (int)get_count(&in, 1 << 20);
    ret_config->argv = get_strings(&in);
    ret_config->envp = get_strings(&in);
    get_config(&in, ret_config);
    ret_state->shield = get_slice(&in);
    ret_state->confined = get_slice(&in);
    ret_state->sockets = get_slice(&in);
    return in.rd.failed || reader_left(&in.rd) > 0 ? -EBADMSG : 0;
}

static int map_sealed(int fd, struct slice *ret_state)
{
    uint64_t size;
    long seals = host_call(SYS_fcntl, fd, F_GET_SEALS);
    if (seals < 0 || !(seals & F_SEAL_WRITE) || host_fstat_size(fd, &size, NULL) < 0 || size == 0 ||
        size > STATE_SIZE_MAX)
        return -EBADMSG;
    void *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return -ENOMEM;
    *ret_state = slice_of(bytes, size);
    return 0;
}

int exec_continue(int fd, struct runtime_config *ret_config, struct error *e)
{
    struct slice bytes;
    struct state state;
    int r = map_sealed(fd, &bytes);
    if (r < 0)
        return error_set(e, r, "descriptor %d holds no state to continue from", fd);
    host_close(fd);
    r = state_read(bytes, ret_config, &state);
    if (r < 0)
        return error_set(e, r, "the state to continue from is malformed");
    atomic_store(&g_fd_hidden_base, state.hidden_base);
    process_start_mask(state.mask);
    memcpy(g_process.limits, state.limits, sizeof g_process.limits);
    ret_config->handover_fd = ret_config->handover_status_fd = -1;
    r = state.shield.size > 0 ? vfs_exec_restore(state.shield) : 0;
    if (r < 0)
        return error_set(e, r, "cannot restore the file shield after exec");
    struct reader confined = reader_over(state.confined);
    r = confined_restore(process_start_confined(), &confined);
    if (r < 0 || reader_left(&confined) > 0)
        return error_set(e, -EBADMSG, "cannot restore what confines the program after exec");
    r = net_exec_restore(state.sockets);
    return r < 0 ? error_set(e, r, "cannot restore the network shield after exec") : 0;
}
