/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/options.h"
#include "runtime/explain/table.h"
#include "runtime/net/options.h"
#include "runtime/options_shield.h"
#include "runtime/syscall/trace.h"

#include "platform/host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: coffer run [FLAGS] [--] PROGRAM [ARGUMENTS]      (or coffer-runtime)\n"
    "\n"
    "Runs PROGRAM unmodified, with every system call it makes going through the runtime.\n"
    "\n"
    "Policy\n"
    "  --policy FILE            everything that this policy does not name is denied: files, "
    "network,\n"
    "                           environment, arguments (docs/policy.md); its volumes lie where\n"
    "                           --volume DIR:/PATH says, or below --volume-dir DIR\n"
    "Files\n"
    "  --volume DIR:/PATH[:ro]  keep /PATH on the encrypted volume in DIR (made if empty)\n"
    "  --volume-key seal|FILE   key of the volumes: sealed to this platform (default), or 32 "
    "bytes\n"
    "                           (or 64 hexadecimal digits) in FILE\n"
    "  --volume-recovery FD     what the recovery key in descriptor FD opens; changes are "
    "forgotten\n"
    "  --volume-accept-older    also where the volume is older than that key\n"
    "  --file-rule PATH=RULE    host, private (in memory), denied, or sha256:HEX\n"
    "Network\n" NET_OPTIONS_USAGE "Program\n"
    "  --env NAME=VALUE         set a variable for the program (may be repeated)\n"
    "  --cwd DIR                start the program in DIR\n"
    "Seeing what happens (on standard error, which the host reads)\n"
    "  --explain                say for each refusal which rule it was, and the line that would\n"
    "                           allow it; without a program: the table of system calls\n"
    "  --trace[=WHICH]          one line per system call, with the shield's view of path and\n"
    "                           descriptor, never what is in buffers; WHICH: file, desc, net,\n"
    "                           process, memory, signal, and names of calls, with commas between\n"
    "  -o FILE                  put the trace into FILE\n"
    "  --stats                  counters when the program ends\n"
    "  --record FILE            coffer run only: write to FILE the smallest policy under which "
    "all\n"
    "                           that was used works; of the environment it takes PATH, HOME, "
    "USER,\n"
    "                           LOGNAME, LANG, LC_ALL, LC_CTYPE, TZ and what --env names\n"
    "  --record-fd N            what it is built on: tell what the program uses on this socket\n"
    "Trust\n"
    "  --tee sim|auto           what protects memory; on this build always sim: nothing\n"
    "  --sim-device FILE        the file that plays the CPU (default ~/.coffer/sim-device)\n"
    "  --manifest FILE          configuration that goes into the evidence\n"
    "  --insecure__debug        under a policy that allows it (allow_debug: true): core dumps, "
    "gdb\n"
    "  --insecure__seal-to-signer  seal to the signer, not to this very program\n"
    "  --attested TENANT/POLICY coffer run only: become what that policy at the key broker of the\n"
    "                           running system (--state DIR) says\n"
    "  --kbs ADDR:PORT --kbs-pin TEXT|@FILE --tenant NAME --policy NAME --volume-dir DIR\n"
    "                           become what the key broker's policy says\n"
    "  --help                   this text\n";

struct parse {
    char **argv;
    int argc, at;
    struct runtime_config *config;
    struct options_shield *shield;
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

static int tee_check(const char *tee, struct error *e)
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

static int set_cwd(struct parse *p, const char *value)
{
    p->config->cwd = value;
    return 0;
}

static int set_env(struct parse *p, const char *value)
{
    p->shield->env_given = true;
    return set_variable(p->config, value, p->e);
}

static int set_tee(struct parse *p, const char *value)
{
    return tee_check(value, p->e);
}

static int set_trace(struct parse *p, const char *flag)
{
    const char *equals = strchr(flag, '=');
    p->config->trace = true;
    if (equals && trace_filter(equals + 1, p->config->trace_calls) < 0)
        return error_set(p->e, -EINVAL,
                         "--trace wants file, desc, net, process, memory, signal or names of "
                         "calls, not '%s'",
                         equals + 1);
    return 0;
}

/* -o FILE: the one short flag, as strace has it. */
static int set_trace_file(struct parse *p)
{
    if (p->at + 1 >= p->argc)
        return error_set(p->e, -EINVAL, "flag -o needs a file");
    const char *file = p->argv[++p->at];
    int fd = host_openat(AT_FDCWD, file, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_set(p->e, fd, "cannot write '%s'", file);
    p->config->trace_fd = fd;
    return 0;
}

static int set_record_fd(struct parse *p, const char *value)
{
    char *end;
    long fd = strtol(value, &end, 10);
    if (*value < '0' || *value > '9' || *end || fd < 3 || fd > INT32_MAX)
        return error_set(p->e, -EINVAL, "--record-fd wants a descriptor above 2, not '%s'", value);
    p->config->record_fd = (int)fd;
    return 0;
}

static int add_volume(struct parse *p, const char *value)
{
    return options_add_volume(p->config, value, p->e);
}

static int add_file_rule(struct parse *p, const char *value)
{
    return options_add_file_rule(p->config, value, p->e);
}

static const struct {
    const char *name;
    int (*set)(struct parse *p, const char *value);
    size_t offset; /* or the member of struct options_shield that takes the text */
} value_flags[] = {
    {"--env", set_env, 0},
    {"--cwd", set_cwd, 0},
    {"--tee", set_tee, 0},
    {"--volume", add_volume, 0},
    {"--file-rule", add_file_rule, 0},
    {"--record-fd", set_record_fd, 0},
#define TEXT_FLAG(name_, member_)                             \
    {                                                         \
        name_, NULL, offsetof(struct options_shield, member_) \
    }
    TEXT_FLAG("--volume-key", volume_key),
    TEXT_FLAG("--volume-recovery", volume_recovery),
    TEXT_FLAG("--sim-device", sim_device),
    TEXT_FLAG("--manifest", manifest),
    TEXT_FLAG("--kbs", kbs),
    TEXT_FLAG("--kbs-pin", kbs_pin),
    TEXT_FLAG("--tenant", tenant),
    TEXT_FLAG("--policy", policy),
    TEXT_FLAG("--volume-dir", volume_dir),
};

static int parse_net_flag(struct parse *p, const char *flag)
{
    char name[32];
    const char *value = NULL;
    bool wants_value;
    (void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(flag, "="), flag);
    if (!net_option_known(name, &wants_value))
        return error_set(p->e, -EINVAL, "unknown flag '%s' (try --help)", flag);
    int r = wants_value ? value_of(p, name, &value) : 0;
    return r < 0 ? r : net_option(p->config, name, value, p->e);
}

static int parse_flag(struct parse *p)
{
    const char *flag = p->argv[p->at], *value = NULL;
    if (flag_is(flag, "--trace"))
        return set_trace(p, flag);
    if (strcmp(flag, "--stats") == 0) {
        p->config->stats = true;
        return 0;
    }
    if (strcmp(flag, "--explain") == 0) {
        p->config->explain = true;
        return 0;
    }
    if (strcmp(flag, "--insecure__debug") == 0) {
        p->config->insecure_debug = true;
        return 0;
    }
    if (strcmp(flag, "--volume-accept-older") == 0) {
        p->shield->accept_older = true;
        return 0;
    }
    if (strcmp(flag, "--insecure__seal-to-signer") == 0) {
        p->shield->seal_to_signer = true;
        return 0;
    }
    if (strcmp(flag, "--help") == 0) {
        (void)fputs(usage, stdout);
        return RUNTIME_OPTIONS_HELP;
    }
    for (size_t i = 0; i < ARRAY_COUNT(value_flags); i++) {
        if (!flag_is(flag, value_flags[i].name))
            continue;
        int r = value_of(p, value_flags[i].name, &value);
        if (r < 0)
            return r;
        if (value_flags[i].set)
            return value_flags[i].set(p, value);
        *(const char **)(void *)((char *)p->shield + value_flags[i].offset) = value;
        return 0;
    }
    return parse_net_flag(p, flag);
}

int runtime_options(int argc, char **argv, char **envp, struct runtime_config *ret_config,
                    struct error *e)
{
    struct options_shield shield = {0};
    struct parse p = {
        .argv = argv, .argc = argc, .at = 1, .config = ret_config, .shield = &shield, .e = e};
    ret_config->envp = envp;
    ret_config->handover_fd = ret_config->handover_status_fd = -1;
    for (; p.at < argc && argv[p.at][0] == '-'; p.at++) {
        if (strcmp(argv[p.at], "--") == 0) {
            p.at++;
            break;
        }
        int r = strcmp(argv[p.at], "-o") == 0 ? set_trace_file(&p) : parse_flag(&p);
        if (r != 0)
            return r;
    }
    bool has_program = p.at < argc, local_policy = shield.policy && !shield.kbs;
    if (!has_program && ret_config->explain && !local_policy) {
        explain_table(stdout);
        return RUNTIME_OPTIONS_HELP;
    }
    if (!has_program && !local_policy)
        return error_set(e, -EINVAL, "no program given (try --help)");
    ret_config->argv = has_program ? argv + p.at : NULL;
    return options_finish(ret_config, &shield, e);
}
