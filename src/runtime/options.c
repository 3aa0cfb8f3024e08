/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: coffer-runtime [FLAGS] [--] PROGRAM [ARGUMENTS]\n"
    "\n"
    "Runs PROGRAM unmodified, with every system call it makes going through the runtime.\n"
    "\n"
    "  --env NAME=VALUE    set a variable for the program (may be repeated)\n"
    "  --cwd DIR           start the program in DIR\n"
    "  --trace             one line per system call on standard error\n"
    "  --stats             counters on standard error when the program ends\n"
    "  --tee sim|auto      what protects memory; here always sim: nothing\n"
    "  --help              this text\n";

struct parse {
    char **argv;
    int argc, at;
    struct runtime_config *config;
    struct error *e;
};

/* The value of the flag at hand: behind '=', or the next argument. */
static int value_of(struct parse *p, const char *name, const char **ret_value)
{
    const char *equals = strchr(p->argv[p->at], '=');
    if (equals) {
        *ret_value = equals + 1;
        return 0;
    }
    if (p->at + 1 >= p->argc)
        return error_set(p->e, -EINVAL, "flag %s needs a value", name);
    *ret_value = p->argv[++p->at];
    return 0;
}

static int set_variable(struct runtime_config *config, const char *assignment, struct error *e)
{
    const char *equals = strchr(assignment, '=');
    size_t count = 0, name_len;
    if (!equals || equals == assignment)
        return error_set(e, -EINVAL, "--env wants NAME=VALUE, not '%s'", assignment);
    name_len = (size_t)(equals - assignment) + 1;
    while (config->envp[count])
        count++;
    const char **copy = calloc(count + 2, sizeof(*copy));
    if (!copy)
        return error_set(e, -ENOMEM, "out of memory");
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (strncmp(config->envp[i], assignment, name_len) != 0)
            copy[kept++] = config->envp[i];
    copy[kept] = assignment;
    config->envp = (char *const *)copy;
    return 0;
}

static int set_tee(const char *tee, struct error *e)
{
    if (strcmp(tee, "sim") == 0 || strcmp(tee, "auto") == 0)
        return 0;
    return error_set(e, -EINVAL, "--tee %s is not available here: sim or auto", tee);
}

static bool flag_is(const char *argument, const char *name)
{
    size_t len = strlen(name);
    return strncmp(argument, name, len) == 0 && (argument[len] == '\0' || argument[len] == '=');
}

static int parse_flag(struct parse *p)
{
    const char *flag = p->argv[p->at], *value = NULL;
    int r;
    if (strcmp(flag, "--trace") == 0) {
        p->config->trace = true;
        return 0;
    }
    if (strcmp(flag, "--stats") == 0) {
        p->config->stats = true;
        return 0;
    }
    if (strcmp(flag, "--help") == 0) {
        (void)fputs(usage, stdout);
        return RUNTIME_OPTIONS_HELP;
    }
    if (flag_is(flag, "--env")) {
        r = value_of(p, "--env", &value);
        return r < 0 ? r : set_variable(p->config, value, p->e);
    }
    if (flag_is(flag, "--cwd")) {
        r = value_of(p, "--cwd", &value);
        p->config->cwd = value;
        return r;
    }
    if (flag_is(flag, "--tee")) {
        r = value_of(p, "--tee", &value);
        return r < 0 ? r : set_tee(value, p->e);
    }
    return error_set(p->e, -EINVAL, "unknown flag '%s' (try --help)", flag);
}

int runtime_options(int argc, char **argv, char **envp, struct runtime_config *ret_config,
                    struct error *e)
{
    struct parse p = {.argv = argv, .argc = argc, .at = 1, .config = ret_config, .e = e};
    ret_config->envp = envp;
    ret_config->handover_fd = ret_config->handover_status_fd = -1;
    for (; p.at < argc && argv[p.at][0] == '-' && argv[p.at][1] == '-'; p.at++) {
        if (strcmp(argv[p.at], "--") == 0) {
            p.at++;
            break;
        }
        int r = parse_flag(&p);
        if (r != 0)
            return r;
    }
    if (p.at >= argc)
        return error_set(e, -EINVAL, "no program given (try --help)");
    ret_config->argv = argv + p.at;
    return 0;
}
