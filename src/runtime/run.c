/* SPDX-License-Identifier: Apache-2.0 */
/* runtime_run(): from a configuration to the guest's first instruction. */
#include "crypto/provider.h"
#include "platform/host.h"
#include "platform/ops.h"
#include "runtime/explain/explain.h"
#include "runtime/fd_table.h"
#include "runtime/loader/load.h"
#include "runtime/net/net.h"
#include "runtime/process/exec.h"
#include "runtime/process/exec_image.h"
#include "runtime/process/exposure.h"
#include "runtime/process/limits.h"
#include "runtime/process/process.h"
#include "runtime/runtime.h"
#include "runtime/syscall/entry.h"
#include "runtime/syscall/sites.h"
#include "runtime/syscall/trace.h"
#include "runtime/vfs/vfs.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PATH_DEFAULT "/usr/local/bin:/usr/bin:/bin"

static int copy_strings(char *const *from, struct strings *ret)
{
    for (size_t i = 0; from && from[i]; i++) {
        int r = strings_add(ret, from[i], SIZE_MAX);
        if (r < 0)
            return r;
    }
    return 0;
}

static const char *environment_path(const struct runtime_config *config)
{
    for (size_t i = 0; config->envp && config->envp[i]; i++)
        if (strncmp(config->envp[i], "PATH=", 5) == 0)
            return config->envp[i] + 5;
    return PATH_DEFAULT;
}

/* Tries one path; takes copies of the arguments, because each attempt uses them up. */
static int open_one(const struct runtime_config *config, const char *path,
                    struct program **ret_program)
{
    struct strings argv = {0}, envp = {0};
    struct program *program;
    const struct image_place place = {.path = path,
                                      .fd = config->program_fd > 0 ? config->program_fd : -1};
    int r = program_find(&place, &program);
    if (r < 0)
        return r;
    r = copy_strings(config->argv, &argv);
    if (r == 0)
        r = copy_strings(config->envp, &envp);
    if (r == 0)
        r = program_complete(program, &argv, &envp);
    strings_done(&argv);
    strings_done(&envp);
    if (r < 0)
        program_free(program);
    else
        *ret_program = program;
    return r;
}

/* As execvp(3): a name without '/' is searched; what exists but cannot be run is remembered. */
static int open_searched(const struct runtime_config *config, struct program **ret_program)
{
    const char *name = config->program ? config->program : config->argv[0];
    char path[PROGRAM_PATH_SIZE];
    int result = -ENOENT;
    if (strchr(name, '/'))
        return open_one(config, name, ret_program);
    for (const char *at = environment_path(config); *at;) {
        size_t len = strcspn(at, ":");
        int n = snprintf(path, sizeof(path), "%.*s%s%s", (int)MIN(len, (size_t)4096), at,
                         len > 0 ? "/" : "./", name);
        if (n > 0 && (size_t)n < sizeof(path)) {
            int r = open_one(config, path, ret_program);
            if (r != -ENOENT && r != -ENOTDIR && r != -EACCES)
                return r;
            if (r == -EACCES)
                result = r;
        }
        at += len + (at[len] == ':');
    }
    return result;
}

/* Only in the runtime's executables. */
__attribute__((weak)) void crypto_late_guard(void);

static int start_shields(const struct runtime_config *config, struct error *e)
{
    int r = config_shields(config) ? crypto_start() : 0;
    if (r < 0)
        return error_set(e, r, "no memory for cryptography");
    if (crypto_late_guard)
        crypto_late_guard();
    r = vfs_init(config, e);
    net_see_names(vfs_names_sockets());
    return r < 0 ? r : net_init(config, e);
}

int runtime_warm(struct error *e)
{
    uint64_t from, size;
    dispatch_text_bounds(&from, &size);
    return size > 0 ? 0 : error_set(e, -ENOEXEC, "this program has no executable segment");
}

int runtime_run(const struct runtime_config *config, struct error *e)
{
    struct program *program = NULL;
    g_config = config;
    (void)mallopt(M_ARENA_MAX, 1);
    int r = runtime_warm(e);
    if (r < 0)
        return r;
    r = exposure_start(config, false);
    if (r < 0)
        return error_set(e, r, "cannot close the process to dumps");
    r = process_start();
    if (r < 0)
        return error_set(e, r, "cannot take over the process");
    process_stderr_keep();
    explain_start(config, process_stderr());
    trace_start(config, process_stderr());
    r = start_shields(config, e);
    if (r == 0 && config->cwd)
        r = vfs_start_in(config->cwd, e);
    if (r < 0)
        return r;
    r = open_searched(config, &program);
    if (r < 0)
        return error_set(e, r, "cannot run '%s': %s",
                         config->program ? config->program : config->argv[0],
                         r == -ENOEXEC ? "not an x86-64 program" : strerrordesc_np(-r));
    g_dispatch_trace = config->trace;
    g_dispatch_stats = config->stats;
    dispatch_start();
    limits_start();
    process_run(program);
}

void runtime_continue(int argc, char **argv)
{
    LARGE_TABLE static struct runtime_config config;
    struct error e = {0};
    if (argc < 3 || argc > 5 || strcmp(argv[1], RUNTIME_CONTINUE_FLAG) != 0)
        return;
    platform_set(&platform_sim);
    if (argc > 3)
        exec_image_adopt((int)strtol(argv[3], NULL, 10));
    int r = exposure_close();
    if (r == 0)
        r = exec_continue((int)strtol(argv[2], NULL, 10), &config, &e);
    if (r == 0)
        r = exposure_start(&config, true);
    if (r == 0)
        r = runtime_run(&config, &e);
    (void)dprintf(2, "coffer-runtime: %s\n", error_text(&e, r));
    _exit(126);
}
