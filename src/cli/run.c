/* SPDX-License-Identifier: Apache-2.0 */
/* `coffer run`: becomes coffer-runtime, which has the same flags; --record listens to it instead. */
#include "cli/command.h"
#include "cli/record.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Flags of the runtime that have no value; any other without '=' takes the next word. */
static bool has_no_value(const char *flag)
{
    static const char *const flags[] = {"--trace",          "--stats",
                                        "--explain",        "--help",
                                        "--tls-1.2",        "--insecure__seal-to-signer",
                                        "--insecure__debug"};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        if (strcmp(flag, flags[i]) == 0)
            return true;
    return strchr(flag, '=') != NULL;
}

/* What stands before the program: the file of --record, and the rest. */
struct words {
    const char *record;
    char **flags;
    int flag_count, program_at;
    bool help;
};

static int words_sort(int argc, char **argv, struct words *w, struct error *e)
{
    int i = 0;
    while (i < argc && argv[i][0] == '-' && strcmp(argv[i], "--") != 0) {
        bool is_record = strcmp(argv[i], "--record") == 0;
        w->help |= strcmp(argv[i], "--help") == 0;
        if (is_record && (i + 1 >= argc || argv[i + 1][0] == '-'))
            return error_set(e, -EINVAL, "flag --record needs a file");
        if (strncmp(argv[i], "--record=", 9) == 0) {
            w->record = argv[i++] + 9;
        } else if (is_record) {
            w->record = argv[i + 1];
            i += 2;
        } else {
            for (int n = has_no_value(argv[i]) ? 1 : 2; n > 0 && i < argc; n--)
                w->flags[w->flag_count++] = argv[i++];
        }
    }
    w->program_at = i < argc && strcmp(argv[i], "--") == 0 ? i + 1 : i;
    return 0;
}

static int record_command(const char *path, const struct words *w, int argc, char **argv)
{
    struct error e = {0};
    for (int i = 0; i < w->flag_count; i++)
        if (strcmp(w->flags[i], "--policy") == 0 || strcmp(w->flags[i], "--kbs") == 0 ||
            strncmp(w->flags[i], "--policy=", 9) == 0 || strncmp(w->flags[i], "--kbs=", 6) == 0)
            return command_fail(
                "run", &e, error_set(&e, -EINVAL, "--record watches a program without a policy"));
    if (w->program_at >= argc)
        return command_fail("run", &e, error_set(&e, -EINVAL, "no program given (try --help)"));
    return record_run(path, w->record, w->flags, argv + w->program_at);
}

static void become(char *path, int argc, char **argv, struct error *e)
{
    char **words = calloc((size_t)argc + 2, sizeof *words);
    if (!words) {
        (void)error_set(e, -ENOMEM, "no memory");
        return;
    }
    words[0] = path;
    for (int i = 0; i < argc; i++)
        words[i + 1] = argv[i];
    (void)signal(SIGPIPE, SIG_DFL);
    execv(path, words);
    (void)error_set(e, -errno, "cannot run '%s' (%s)", path, strerror(errno));
    free(words);
}

int run_command(int argc, char **argv)
{
    char path[PATH_MAX];
    struct error e = {0};
    struct words w = {.flags = calloc((size_t)argc + 1, sizeof *w.flags)};
    int r = w.flags ? command_sibling("coffer-runtime", path, sizeof path, &e) : -ENOMEM;
    if (r == 0)
        r = words_sort(argc, argv, &w, &e);
    if (r == 0 && w.record && !w.help)
        r = record_command(path, &w, argc, argv);
    else if (r == 0)
        become(path, argc, argv, &e);
    bool became = r == 0 && !w.record;
    free(w.flags);
    return r < 0 || became ? command_fail("run", &e, r < 0 ? r : -ENOEXEC) : r;
}
