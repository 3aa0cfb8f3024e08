/* SPDX-License-Identifier: Apache-2.0 */
/* coffer-runtime: command line to runtime_config, then runtime_run(). */
#include "base/log.h"
#include "platform/host.h"
#include "platform/ops.h"
#include "runtime/options.h"
#include "runtime/process/exec.h"
#include "runtime/process/process.h"
#include "runtime/runtime.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define EXIT_USAGE 2
#define EXIT_CANNOT_RUN 126
#define EXIT_NOT_FOUND 127

static int exit_code(int r)
{
    switch (r) {
    case -EINVAL:
        return EXIT_USAGE;
    case -ENOENT:
    case -ENOTDIR:
        return EXIT_NOT_FOUND;
    default:
        return EXIT_CANNOT_RUN;
    }
}

/* What the runtime refuses is said where the program's own errors go, and survives its closing
 * them. */
static void log_line(enum log_level level, struct slice line)
{
    struct iovec parts[] = {{(void *)(uintptr_t)line.bytes, line.size},
                            {(void *)(uintptr_t) "\n", 1}};
    (void)level;
    (void)host_call(SYS_writev, process_stderr(), parts, ARRAY_COUNT(parts));
}

/* What libc may see of the environment, which is the guest's: where the runtime's own options look. */
static void set_environment_aside(char **envp)
{
    static const char *const wanted[] = {"COFFER_STATE=", "HOME=", "PATH="};
    static char *own[ARRAY_COUNT(wanted) + 1];
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_COUNT(wanted); i++)
        for (char **at = envp; *at; at++)
            if (strncmp(*at, wanted[i], strlen(wanted[i])) == 0) {
                own[count++] = *at;
                break;
            }
    environ = own;
}

/* Only in coffer-runtime. */
__attribute__((weak)) int image_make(int fd);

/* For the runtimes that come after this one; a failure is theirs to notice. */
static void make_image(int argc, char **argv)
{
    if (!image_make || argc != 5 || strcmp(argv[1], RUNTIME_CONTINUE_FLAG) != 0 ||
        strcmp(argv[4], RUNTIME_IMAGE_FLAG) != 0)
        return;
    (void)thread_xsave_size();
    (void)!image_make((int)strtol(argv[3], NULL, 10));
}

int main(int argc, char **argv, char **envp)
{
    LARGE_TABLE static struct runtime_config config;
    struct error e = {0};
    make_image(argc, argv);
    log_set_sink(log_line, "coffer-runtime", LOG_LEVEL_WARNING);
    set_environment_aside(envp);
    runtime_continue(argc, argv);
    platform_set(runtime_platform(envp));
    int r = runtime_options(argc, argv, envp, &config, &e);
    if (r == RUNTIME_OPTIONS_HELP)
        return 0;
    if (r < 0) {
        (void)fprintf(stderr, "coffer-runtime: %s\n", error_text(&e, r));
        return r == -EINVAL ? EXIT_USAGE : EXIT_CANNOT_RUN;
    }
    r = runtime_run(&config, &e);
    (void)fprintf(stderr, "coffer-runtime: %s\n", error_text(&e, r));
    return exit_code(r);
}
