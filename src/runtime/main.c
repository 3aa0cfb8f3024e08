/* SPDX-License-Identifier: Apache-2.0 */
/* coffer-runtime: command line to runtime_config, then runtime_run(). */
#include "crypto/provider.h"
#include "platform/ops.h"
#include "runtime/options.h"
#include "runtime/runtime.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

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

int main(int argc, char **argv, char **envp)
{
    static struct runtime_config config;
    struct error e = {0};
    runtime_continue(argc, argv);
    platform_set(&platform_sim);
    int r = crypto_start();
    if (r == 0)
        r = runtime_options(argc, argv, envp, &config, &e);
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
