/* SPDX-License-Identifier: Apache-2.0 */
/* `coffer run`: becomes coffer-runtime, which has the same flags; --record listens to it instead, and
 * --attested finds the running system's key broker for it. */
#include "cli/command.h"
#include "cli/owner_keys.h"
#include "cli/record.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Flags of the runtime that have no value; any other without '=' takes the next word. */
static bool has_no_value(const char *flag)
{
    static const char *const flags[] = {"--trace",           "--stats",
                                        "--explain",         "--help",
                                        "--tls-1.2",         "--insecure__seal-to-signer",
                                        "--insecure__debug", "--volume-accept-older"};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        if (strcmp(flag, flags[i]) == 0)
            return true;
    return strchr(flag, '=') != NULL;
}

/* What stands before the program: the file of --record, the policy of --attested, and the rest. */
struct words {
    const char *record, *attested, *state;
    char **flags;
    int flag_count, program_at;
    bool help;
};

/* "--NAME VALUE" or "--NAME=VALUE" at argv[i]: how many words that were; 0: another flag. */
static int own_flag(const char *name, int argc, char **argv, int i, const char **ret,
                    struct error *e)
{
    size_t len = strlen(name);
    if (strncmp(argv[i], name, len) != 0 || (argv[i][len] != '=' && argv[i][len]))
        return 0;
    *ret = argv[i][len] ? argv[i] + len + 1 : i + 1 < argc ? argv[i + 1] : "-";
    if ((*ret)[0] == '-')
        return error_set(e, -EINVAL, "flag %s needs %s", name,
                         strcmp(name, "--record") == 0     ? "a file"
                         : strcmp(name, "--attested") == 0 ? "TENANT/POLICY"
                                                           : "a directory");
    return argv[i][len] ? 1 : 2;
}

static int words_sort(int argc, char **argv, struct words *w, struct error *e)
{
    int i = 0;
    while (i < argc && argv[i][0] == '-' && strcmp(argv[i], "--") != 0) {
        w->help |= strcmp(argv[i], "--help") == 0;
        int n = own_flag("--record", argc, argv, i, &w->record, e);
        if (n == 0)
            n = own_flag("--attested", argc, argv, i, &w->attested, e);
        if (n == 0)
            n = own_flag("--state", argc, argv, i, &w->state, e);
        if (n < 0)
            return n;
        i += n;
        if (n == 0)
            for (n = has_no_value(argv[i]) ? 1 : 2; n > 0 && i < argc; n--)
                w->flags[w->flag_count++] = argv[i++];
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

static int attested_check(const struct words *w, const char *state, int argc, struct error *e)
{
    char path[PATH_MAX + 32];
    const char *slash = strchr(w->attested, '/');
    if (!slash || slash == w->attested || !slash[1])
        return error_set(e, -EINVAL, "'%s' is not TENANT/POLICY, as in shop/hello", w->attested);
    if (w->record)
        return error_set(e, -EINVAL, "--record watches a program without a policy");
    if (w->program_at >= argc)
        return error_set(e, -EINVAL, "no program given (try --help)");
    snprintf(path, sizeof path, "%s/run/kbs-address", state);
    if (access(path, R_OK) < 0)
        return error_set(e, -ENOENT,
                         "no key broker runs here ('%s' is missing): start `coffer up`, or say "
                         "where it runs with --state DIR",
                         path);
    return 0;
}

/* Each policy's volumes have a directory of their own; '/' is in no name of a directory, '+' in none of
 * a policy. */
static int volumes_directory(const char *state, const char *policy, char *path, size_t size,
                             struct error *e)
{
    for (int part = 0; part < 2; part++) {
        int n = snprintf(path, size, "%s/attested%s%s", state, part ? "/" : "", part ? policy : "");
        if (n < 0 || (size_t)n >= size)
            return error_set(e, -ENAMETOOLONG, "the state directory has too long a name");
        for (char *at = path + n - (part ? strlen(policy) : 0); *at; at++)
            if (*at == '/')
                *at = '+';
        if (mkdir(path, 0700) < 0 && errno != EEXIST)
            return error_set(e, -errno, "cannot make '%s' (%s)", path, strerror(errno));
    }
    return 0;
}

/* The flags by which the running system's key broker is asked; they replace `w->flags`. */
static int attested_command(char *runtime, const struct words *w, int argc, char **argv,
                            struct error *e)
{
    SCOPED(buf_done) struct buf address = {0};
    char state[PATH_MAX], path[PATH_MAX + 256], *given[6] = {0};
    int r = command_state(w->state, state, sizeof state, e);
    if (r == 0)
        r = attested_check(w, state, argc, e);
    snprintf(path, sizeof path, "%s/run/kbs-address", state);
    if (r == 0)
        r = owner_file_read(path, 4096, &address, e);
    if (r < 0)
        return r;
    const char *slash = strchr(w->attested, '/'), *kbs = buf_text(&address);
    r = volumes_directory(state, w->attested, path, sizeof path, e);
    if (r < 0)
        return r;
    char **words = calloc((size_t)argc + ARRAY_COUNT(given) + 2, sizeof *words);
    if (!kbs || !words || asprintf(&given[0], "--kbs=%s", kbs) < 0 ||
        asprintf(&given[1], "--kbs-pin=@%s/run/kbs-pin", state) < 0 ||
        asprintf(&given[2], "--sim-device=%s/device", state) < 0 ||
        asprintf(&given[3], "--volume-dir=%s", path) < 0 ||
        asprintf(&given[4], "--tenant=%.*s", (int)(slash - w->attested), w->attested) < 0 ||
        asprintf(&given[5], "--policy=%s", slash + 1) < 0) {
        r = -ENOMEM;
    } else {
        int count = 0;
        for (size_t i = 0; i < ARRAY_COUNT(given); i++)
            words[count++] = given[i];
        for (int i = 0; i < w->flag_count; i++)
            words[count++] = w->flags[i];
        words[count++] = (char *)(uintptr_t) "--";
        for (int i = w->program_at; i < argc; i++)
            words[count++] = argv[i];
        become(runtime, count, words, e);
        r = -ENOEXEC;
    }
    for (size_t i = 0; i < ARRAY_COUNT(given); i++)
        free(given[i]);
    free(words);
    return r;
}

int run_command(int argc, char **argv)
{
    char path[PATH_MAX];
    struct error e = {0};
    struct words w = {.flags = calloc((size_t)argc + 1, sizeof *w.flags)};
    int r = w.flags ? command_sibling("coffer-runtime", path, sizeof path, &e) : -ENOMEM;
    if (r == 0)
        r = words_sort(argc, argv, &w, &e);
    if (r == 0 && w.record && !w.attested && !w.help)
        r = record_command(path, &w, argc, argv);
    else if (r == 0 && w.attested && !w.help)
        r = attested_command(path, &w, argc, argv, &e);
    else if (r == 0)
        become(path, argc, argv, &e);
    bool became = r == 0 && !w.record;
    free(w.flags);
    return r < 0 || became ? command_fail("run", &e, r < 0 ? r : -ENOEXEC) : r;
}
