/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/up.h"

#include "cli/command.h"
#include "server/address.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WAIT_NS 20000000000ULL
#define WAIT_STEP_NS 2000000ULL
#define S 1000000000ULL
#define GATEWAY_STOP_NS (18 * S) /* it drains the document servers first */
#define LAUNCHER_STOP_NS (6 * S)
#define KBS_STOP_NS (6 * S)

/* Command lines live as long as the process: they are used again at each start. */
struct words {
    char *argv[UP_ARGS_MAX + 1];
    size_t count;
    bool failed;
};

static void words_add(struct words *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void words_add(struct words *w, const char *format, ...)
{
    va_list args;
    char *word = NULL;
    va_start(args, format);
    if (w->count == UP_ARGS_MAX || vasprintf(&word, format, args) < 0)
        w->failed = true;
    else
        w->argv[w->count++] = word;
    va_end(args);
}

static int words_begin(struct words *w, const char *program, struct error *e)
{
    char path[PATH_MAX];
    int r = command_sibling(program, path, sizeof path, e);
    if (r == 0)
        words_add(w, "%s", path);
    return r;
}

static int words_start(struct up *up, struct words *w, const char *name, uint64_t stop_ns,
                       struct error *e)
{
    if (w->failed)
        return error_set(e, -ENOMEM, "no memory");
    return supervisor_start(&up->supervisor, name, w->argv, stop_ns, e);
}

/* ---- waiting, with the loop running ---- */

static void on_step(void *arg)
{
    (void)arg; /* only ends the turn */
}

/* One turn of the loop, at most WAIT_STEP_NS long. */
static int wait_step(struct up *up, uint64_t until_ns, const char *program, struct error *e)
{
    struct loop_timer timer = {0};
    int r = loop_timer_set(up->loop, &timer, clock_now_ns() + WAIT_STEP_NS, on_step, NULL);
    if (r == 0)
        r = loop_turn(up->loop, true);
    loop_timer_stop(up->loop, &timer);
    if (r < 0)
        return error_set(e, r, "the event loop failed");
    if (up->supervisor.is_stopping)
        return error_set(e, -EINTR, "stopped before it was up");
    if (clock_now_ns() > until_ns)
        return error_set(e, -ETIMEDOUT, "%s does not answer", program);
    return 0;
}

int up_wait_unix(struct up *up, const char *path, int type, const char *program, struct error *e)
{
    uint64_t until_ns = clock_now_ns() + WAIT_NS;
    for (;;) {
        int fd = address_connect_unix(path, type, NULL);
        if (fd >= 0) {
            close(fd);
            return 0;
        }
        int r = wait_step(up, until_ns, program, e);
        if (r < 0)
            return r;
    }
}

int up_wait_address(struct up *up, const char *address, const char *program, struct error *e)
{
    struct sockaddr_storage to;
    socklen_t size = 0;
    uint64_t until_ns = clock_now_ns() + WAIT_NS;
    int r = address_parse(address, &to, &size, e);
    while (r == 0) {
        int fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool is_there = fd >= 0 && connect(fd, (struct sockaddr *)&to, size) == 0;
        if (fd >= 0)
            close(fd);
        if (is_there)
            return 0;
        r = wait_step(up, until_ns, program, e);
    }
    return r;
}

/* ---- the programs ---- */

static int launcher_start(struct up *up, struct error *e)
{
    static struct words w;
    static char socket_path[PATH_MAX + 16];
    int r = words_begin(&w, "coffer-launcher", e);
    if (r < 0)
        return r;
    snprintf(socket_path, sizeof socket_path, "%s/run/launcher", up->state);
    words_add(&w, "--socket=%s", socket_path);
    words_add(&w, "--kbs=%s", up->kbs);
    words_add(&w, "--kbs-pin=%s/run/kbs-pin", up->state);
    words_add(&w, "--device=%s/device", up->state);
    words_add(&w, "--uid-base=%llu", (unsigned long long)up->options.uid_base);
    words_add(&w, "--program=%s", up->program);
    (void)unlink(socket_path); /* one of an earlier run must not look like an answer */
    r = words_start(up, &w, "launcher", LAUNCHER_STOP_NS, e);
    /* Not by connecting: a connection would stand for the agent. */
    uint64_t until_ns = clock_now_ns() + WAIT_NS;
    while (r == 0 && access(socket_path, F_OK) < 0)
        r = wait_step(up, until_ns, "launcher", e);
    return r;
}

/* Inherited by every gateway that is started; its number is the same in each. */
static int socket_share(int fd, struct error *e)
{
    int flags = fcntl(fd, F_GETFD);
    return flags < 0 || fcntl(fd, F_SETFD, flags & ~FD_CLOEXEC) < 0
               ? error_set(e, -errno, "cannot share a socket")
               : 0;
}

static int gateway_start(struct up *up, struct error *e)
{
    static struct words w;
    char socket_path[PATH_MAX + 16];
    int r = words_begin(&w, "coffer-gateway", e);
    if (r == 0)
        r = socket_share(up->listen_fd, e);
    if (r == 0)
        r = socket_share(up->operator_fd, e);
    if (r < 0)
        return r;
    words_add(&w, "--state=%s", up->state);
    words_add(&w, "--listen=%s", up->options.listen);
    words_add(&w, "--listen-fd=%d", up->listen_fd);
    words_add(&w, "--operator-fd=%d", up->operator_fd);
    words_add(&w, "--domain=%s", up->options.domain);
    words_add(&w, "--program=%s", up->program);
    words_add(&w, "--idle-s=%llu", (unsigned long long)up->options.idle_s);
    words_add(&w, "--uid-base=%llu", (unsigned long long)up->options.uid_base);
    snprintf(socket_path, sizeof socket_path, "%s/run/gateway", up->state);
    (void)unlink(socket_path);
    r = words_start(up, &w, "gateway", GATEWAY_STOP_NS, e);
    return r < 0 ? r : up_wait_unix(up, socket_path, SOCK_STREAM, "gateway", e);
}

/* Under the runtime like any other program, its state on a volume whose key only this key broker
 * on this machine can derive again. `print_pin` only asks who it will be. */
static int kbs_words(const struct up *up, struct words *w, bool print_pin, struct error *e)
{
    char kbs[PATH_MAX];
    int r = words_begin(w, "coffer-runtime", e);
    if (r == 0)
        r = command_sibling("coffer-kbs", kbs, sizeof kbs, e);
    if (r < 0)
        return r;
    words_add(w, "--sim-device=%s/device", up->state);
    words_add(w, "--manifest=%s/manifest.yaml", up->state);
    words_add(w, "--insecure__seal-to-signer");
    words_add(w, "--volume-key=seal");
    if (!print_pin)
        words_add(w, "--volume=%s/kbs:/state", up->state);
    words_add(w, "--");
    words_add(w, "%s", kbs);
    words_add(w, "--bootstrap=%s/manifest.yaml", up->state);
    if (print_pin)
        words_add(w, "--print-pin");
    else
        words_add(w, "--state=/state");
    return 0;
}

static int kbs_start(struct up *up, struct error *e)
{
    static struct words w;
    struct words pin = {0};
    int r = up_kbs_prepare(up, e);
    if (r == 0)
        r = kbs_words(up, &pin, true, e);
    if (r == 0)
        r = up_kbs_pin(up, pin.argv, e);
    if (r == 0)
        r = kbs_words(up, &w, false, e);
    words_add(&w, "--listen=%s", up->kbs);
    if (r == 0)
        r = words_start(up, &w, "kbs", KBS_STOP_NS, e);
    if (r == 0)
        r = up_wait_address(up, up->kbs, "the key broker", e);
    return r < 0 ? r : up_kbs_ca(up, e);
}

int up_programs_start(struct up *up, struct error *e)
{
    int r = kbs_start(up, e);
    if (r == 0)
        r = launcher_start(up, e);
    return r < 0 ? r : gateway_start(up, e);
}
