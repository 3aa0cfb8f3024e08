/* SPDX-License-Identifier: Apache-2.0 */
/* `coffer up`: key broker, launcher, gateway and agent on this machine, from one command. It holds
 * the sockets that clients and the operator connect to, so that nobody is refused while the gateway
 * is started again. */
#include "cli/up.h"

#include "cli/command.h"
#include "server/address.h"
#include "server/log_stderr.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define USAGE "[--demo] [FLAGS]"

#define ROW(name, kind, member, fallback, value, help, min, max)                                  \
    {                                                                                             \
        name, OPTION_##kind, offsetof(struct up_options, member), fallback, value, help, min, max \
    }
static const struct option_row g_rows[] = {
    ROW("demo", FLAG, demo, NULL, NULL, "Make the client `demo` and print how to use it", 0, 0),
    ROW("state", TEXT, state, NULL, "DIR",
        "Where everything is kept ($XDG_STATE_HOME/coffer or ~/.local/state/coffer)", 0, 0),
    ROW("listen", TEXT, listen, "127.0.0.1:8443", "ADDRESS", "Where clients connect", 0, 0),
    ROW("operator", TEXT, page, "127.0.0.1:8444", "ADDRESS",
        "The operator's page, /metrics and /tenants", 0, 0),
    ROW("kbs", TEXT, kbs, "127.0.0.1:0", "ADDRESS", "Where the key broker listens; port 0: any", 0,
        0),
    ROW("domain", TEXT, domain, "localhost", "NAME", "Clients are TENANT.NAME", 0, 0),
    ROW("program", TEXT, program, NULL, "FILE",
        "Another document server: a static program that serves HTTP on port 8080", 0, 0),
    ROW("idle-s", UINT, idle_s, "300", "S",
        "Stop a document server after so long without a request; 0: never", 0, 1000000),
    ROW("uid-base", UINT, uid_base, "200000", "UID",
        "As root: a uid for each client, from this on; 0: none", 0, 4000000000U),
    ROW("verbose", FLAG, verbose, NULL, NULL, "Events on standard error instead of STATE/log", 0,
        0),
};
static int sockets_open(struct up *up, struct error *e)
{
    struct up_options *o = &up->options;
    uint16_t kbs_port = 0;
    up->listen_fd = address_listen(o->listen, "--listen", &up->port, e);
    if (up->listen_fd < 0)
        return up->listen_fd;
    up->operator_fd = address_listen(o->page, "--operator", &up->operator_port, e);
    if (up->operator_fd < 0)
        return up->operator_fd;
    /* The key broker opens its own; this finds out early whether it can, and a free port. */
    int fd = address_listen(o->kbs, "--kbs", &kbs_port, e);
    if (fd < 0)
        return fd;
    close(fd);
    const char *colon = strrchr(o->kbs, ':');
    snprintf(up->kbs, sizeof up->kbs, "%.*s:%u", (int)(colon - o->kbs), o->kbs, kbs_port);
    return 0;
}

static void on_stop_signal(void *arg)
{
    struct up *up = arg;
    if (!up->supervisor.is_stopping)
        fputs("\nStopping.\n", stderr);
    supervisor_stop(&up->supervisor);
}

static int program_choose(struct up *up, struct error *e)
{
    const char *given = up->options.program;
    if (!given)
        return command_sibling("coffer-dms", up->program, sizeof up->program, e);
    if (!realpath(given, up->program))
        return error_set(e, -errno, "--program: no file '%s'", given);
    return 0;
}

static void descriptors_raise(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void address_print(const struct up *up)
{
    printf("Coffer is up. State: %s\n\n"
           "  Clients     https://TENANT.%s:%u\n"
           "  Operator    http://127.0.0.1:%u/\n",
           up->state, up->options.domain, up->port, up->operator_port);
}

/* Everything until the loop runs. What was started before a failure is stopped by the caller. */
static int up_start(struct up *up, struct error *e)
{
    int r = up_programs_start(up, e);
    if (r < 0 || up->supervisor.is_stopping)
        return r;
    address_print(up);
    r = up->options.demo ? up_demo(up, e) : 0;
    if (r < 0)
        return r;
    puts("\nCtrl-C stops everything.\nREADY");
    fflush(stdout);
    return 0;
}

static int up_run(struct up *up, struct error *e)
{
    descriptors_raise();
    int r = command_state(up->options.state, up->state, sizeof up->state, e);
    if (r == 0)
        r = up_state_open(up, e);
    if (r == 0)
        r = program_choose(up, e);
    if (r == 0)
        r = sockets_open(up, e);
    if (r < 0)
        return r;
    r = loop_new(&up->loop);
    if (r == 0)
        r = supervisor_init(&up->supervisor, up->loop, up->log_fd);
    if (r == 0)
        r = loop_on_stop_signal(up->loop, on_stop_signal, up);
    if (r < 0)
        return error_set(e, r, "cannot watch over processes");
    r = up_start(up, e);
    if (r < 0) {
        fprintf(stderr, "coffer up: %s\n", error_text(e, r));
        if (!up->options.verbose)
            fprintf(stderr, "(what the programs said is in %s/log)\n", up->state);
        supervisor_stop(&up->supervisor);
    }
    int run = supervisor_run(&up->supervisor);
    loop_free(up->loop);
    if (r == 0 && run < 0)
        r = error_set(e, run, "the event loop failed");
    return r < 0 ? 1 : 0;
}

int up_command(int argc, char **argv)
{
    static struct up up;
    struct error e = {0};
    int count = 0;
    int r =
        command_options("up", USAGE, g_rows, ARRAY_COUNT(g_rows), argc, argv, &up.options, &count);
    if (r >= 0)
        return r;
    if (count > 0)
        return command_fail("up", &e,
                            error_set(&e, -EINVAL, "takes flags only, not '%s'", argv[0]));
    (void)umask(077);
    r = log_start("coffer", up.options.verbose ? "notice" : "warning");
    if (r == 0)
        r = up_run(&up, &e);
    return r < 0 ? command_fail("up", &e, r == -EINVAL ? r : -EIO) : r;
}
