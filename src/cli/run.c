/* SPDX-License-Identifier: Apache-2.0 */
/* `coffer run`: becomes coffer-runtime, which has the same flags. */
#include "cli/command.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int run_command(int argc, char **argv)
{
    char path[PATH_MAX];
    struct error e = {0};
    int r = command_sibling("coffer-runtime", path, sizeof path, &e);
    if (r < 0)
        return command_fail("run", &e, r);
    char **words = calloc((size_t)argc + 2, sizeof *words);
    if (!words)
        return command_fail("run", &e, -ENOMEM);
    words[0] = path;
    for (int i = 0; i < argc; i++)
        words[i + 1] = argv[i];
    (void)signal(SIGPIPE, SIG_DFL);
    execv(path, words);
    r = error_set(&e, -errno, "cannot run '%s' (%s)", path, strerror(errno));
    free(words);
    return command_fail("run", &e, r);
}
