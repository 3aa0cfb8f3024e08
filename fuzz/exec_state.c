/* SPDX-License-Identifier: Apache-2.0 */
/* What a host exec of the runtime reads: whatever it is, what is taken from it lies inside it, is ended
 * by a NUL, and numbers that index are within bounds. */
#include <stdlib.h>
#include <string.h>

/* The reader's texts live as long as its process; here, as long as one input. */
static void *g_kept[1 << 16];
static size_t g_kept_count;

static void *keep(void *memory)
{
    if (memory && g_kept_count < sizeof g_kept / sizeof g_kept[0])
        g_kept[g_kept_count++] = memory;
    return memory;
}

static void *kept_malloc(size_t size)
{
    return keep(malloc(size));
}

static void *kept_calloc(size_t count, size_t size)
{
    return keep(calloc(count, size));
}

#define malloc kept_malloc
#define calloc kept_calloc
#include "runtime/process/exec_state.c" /* NOLINT(bugprone-suspicious-include) */
#undef malloc
#undef calloc

/* What the writing half needs is not called. */
const struct runtime_config *g_config;
int vfs_exec_save(struct buf *state)
{
    (void)state;
    return -ENOSYS;
}
int vfs_exec_restore(struct slice state)
{
    (void)state;
    return 0;
}
int net_exec_save(struct buf *state)
{
    (void)state;
    return -ENOSYS;
}
int net_exec_restore(struct slice state)
{
    (void)state;
    return 0;
}
enum exec_image_use exec_image_take(int *ret_fd)
{
    *ret_fd = -1;
    return EXEC_IMAGE_NONE;
}
void exec_image_release(enum exec_image_use use, int fd)
{
    (void)use;
    (void)fd;
}
void limits_file_size_lift(void) {}
void limits_file_size_restore(void) {}
void process_start_mask(uint64_t mask)
{
    (void)mask;
}
struct confined *process_start_confined(void)
{
    static struct confined confined;
    return &confined;
}
int confined_save(const struct confined *c, struct buf *to)
{
    (void)c;
    (void)to;
    return -ENOSYS;
}
int confined_restore(struct confined *ret, struct reader *from)
{
    (void)ret;
    (void)reader_take(from, reader_left(from)); /* see fuzz/seccomp_filter.c */
    return 0;
}
bool seccomp_refuses(const struct thread *t, int nr)
{
    (void)t;
    (void)nr;
    return false;
}
bool net_exec_has_sockets(void)
{
    return false;
}
int trace_keep(bool across_exec)
{
    (void)across_exec;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile size_t g_sink;

static void text_is_whole(const char *text)
{
    if (text)
        g_sink += strlen(text);
}

static void slice_is_inside(struct slice bytes, const uint8_t *data, size_t size)
{
    if (bytes.size > 0 && (bytes.bytes < data || bytes.size > size ||
                           (size_t)(bytes.bytes - data) > size - bytes.size))
        abort();
}

static void check(const struct runtime_config *c, const uint8_t *data, size_t size)
{
    if (c->file_rule_count > RUNTIME_FILE_RULES_MAX || c->net_rule_count > RUNTIME_NET_RULES_MAX ||
        c->secret_file_count > RUNTIME_SECRET_FILES_MAX)
        abort();
    for (unsigned i = 0; i < c->file_rule_count; i++)
        text_is_whole(c->file_rules[i].prefix);
    for (unsigned i = 0; i < c->net_rule_count; i++) {
        const struct runtime_net_rule *rule = &c->net_rules[i];
        text_is_whole(rule->address);
        text_is_whole(rule->server_name);
        slice_is_inside(rule->trust_pem, data, size);
        if (rule->tls) {
            text_is_whole(rule->tls->alpn);
            slice_is_inside(rule->tls->certificate_chain, data, size);
            slice_is_inside(rule->tls->private_key, data, size);
        }
    }
    for (unsigned i = 0; i < c->secret_file_count; i++) {
        text_is_whole(c->secret_files[i].path);
        slice_is_inside(c->secret_files[i].bytes, data, size);
    }
}

static void strings_are_whole(char **strings)
{
    for (; strings && *strings; strings++)
        text_is_whole(*strings);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct runtime_config config;
    struct state state;
    config = (struct runtime_config){0};
    int r = state_read(slice_of(data, size), &config, &state);
    check(&config, data, size);
    if (r == 0) {
        text_is_whole(config.program);
        strings_are_whole((char **)(uintptr_t)config.argv);
        strings_are_whole((char **)(uintptr_t)config.envp);
        slice_is_inside(state.shield, data, size);
        slice_is_inside(state.sockets, data, size);
    }
    while (g_kept_count > 0)
        free(g_kept[--g_kept_count]);
    return 0;
}
