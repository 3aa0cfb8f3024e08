/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/explain/explain.h"

#include "base/log.h"
#include "platform/host.h"
#include "runtime/explain/seen.h"
#include "runtime/lock.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

enum { LINE_SIZE = 10240, QUOTED_SIZE = 4096 + 512, TERSE_PER_MINUTE = 3, NAMED_PER_MINUTE = 100 };

static struct {
    bool explains, has_policy;
    int fd;
    lock_word lock; /* protects: seen, limit, buffer; a leaf */
    struct log_limit limit;
    unsigned lines;
    struct seen seen;
    char line[LINE_SIZE];
} g_explain LARGE_TABLE;

void explain_start(const struct runtime_config *config, int fd)
{
    g_explain.explains = config->explain;
    g_explain.has_policy = config->has_policy;
    g_explain.fd = fd;
    record_start(config->record_fd);
}

/* As YAML wants a text between double quotes; cut where there is no room. */
static const char *quote(const char *text, char quoted[QUOTED_SIZE])
{
    size_t n = 0;
    quoted[n++] = '"';
    for (const unsigned char *at = (const unsigned char *)text; *at && n + 6 < QUOTED_SIZE; at++) {
        if (*at == '"' || *at == '\\')
            n += (size_t)snprintf(quoted + n, QUOTED_SIZE - n, "\\%c", *at);
        else if (*at < ' ' || *at == 0x7f)
            n += (size_t)snprintf(quoted + n, QUOTED_SIZE - n, "\\x%02X", *at);
        else
            quoted[n++] = (char)*at;
    }
    quoted[n++] = '"';
    quoted[n] = '\0';
    return quoted;
}

/* Without --explain: that something was refused, so that nobody looks for it elsewhere. */
static void say_tersely(const char *what, const char *name)
{
    unsigned burst = g_explain.has_policy ? TERSE_PER_MINUTE : NAMED_PER_MINUTE;
    lock_acquire(&g_explain.lock);
    bool may = log_allows(&g_explain.limit, host_monotonic_ns() / 1000000000, burst);
    lock_release(&g_explain.lock);
    if (!may)
        return;
    if (g_explain.has_policy || !name)
        LOG_WARNING(what, LOG_TEXT("which", "run with --explain"));
    else
        LOG_WARNING(what, LOG_TEXT("which", name));
}

/* One whole line with one write, each once. */
static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...)
{
    static const char end[] = "coffer-runtime: explain: further refusals are not explained\n";
    va_list list;
    lock_acquire(&g_explain.lock);
    va_start(list, format);
    int n = vsnprintf(g_explain.line, sizeof g_explain.line, format, list);
    va_end(list);
    size_t size = n < 0 ? 0 : MIN((size_t)n, sizeof g_explain.line - 1);
    if (size > 0 && g_explain.lines <= EXPLAIN_LINES_MAX &&
        seen_first(&g_explain.seen, slice_of(g_explain.line, size))) {
        if (g_explain.lines++ < EXPLAIN_LINES_MAX)
            (void)host_call(SYS_write, g_explain.fd, g_explain.line, size);
        else
            (void)host_call(SYS_write, g_explain.fd, end, sizeof end - 1);
    }
    lock_release(&g_explain.lock);
}

static const char *wish_text(unsigned wishes)
{
    if (wishes & WISH_WRITE)
        return "writing";
    if (wishes & WISH_EXECUTE)
        return "executing";
    if (wishes & WISH_LIST)
        return "listing";
    return wishes & WISH_READ ? "reading" : "looking at";
}

void explain_file(const char *path, unsigned wishes, const char *rule, const char *class)
{
    char quoted[QUOTED_SIZE], by[QUOTED_SIZE + 128];
    bool writes = wishes & WISH_WRITE;
    if (!g_explain.explains) {
        say_tersely(
            rule ? "refused a file that a rule denies" : "refused a file that no rule names", path);
        return;
    }
    if (!rule)
        (void)snprintf(by, sizeof by, "no rule names it");
    else
        (void)snprintf(by, sizeof by, "the rule for %s says %s",
                       quote(rule[0] ? rule : "/", quoted), class);
    bool same = rule && strcmp(rule[0] ? rule : "/", path) == 0;
    (void)quote(path, quoted);
    if (g_explain.has_policy)
        say("coffer-runtime: explain: denied %s %s: %s; %s files:   - {path: %s, class: host%s}\n",
            wish_text(wishes), quoted, by, same ? "to allow it, change in" : "to allow it, add to",
            quoted, writes ? "" : ", read_only: true");
    else
        say("coffer-runtime: explain: denied %s %s: %s; to allow it, say: --file-rule '%s=host'\n",
            wish_text(wishes), quoted, by, path);
}

/* "ADDRESS:PORT", "[V6]:PORT", "unix:PATH". */
static void end_text(const struct explain_end *end, char text[QUOTED_SIZE])
{
    const char *address = end->address ? end->address : "*";
    if (end->protocol == NET_UNIX)
        (void)snprintf(text, QUOTED_SIZE, "unix:%s", address);
    else if (end->listen)
        (void)snprintf(text, QUOTED_SIZE, "%d", end->port);
    else
        (void)snprintf(text, QUOTED_SIZE, strchr(address, ':') ? "[%s]:%d" : "%s:%d", address,
                       end->port);
}

void explain_net(const struct explain_end *end, bool by_rule)
{
    static const char *const protocols[] = {"tcp", "udp", "unix"};
    char text[QUOTED_SIZE], quoted[QUOTED_SIZE];
    const char *key = end->listen ? "listen" : "connect";
    end_text(end, text);
    if (!g_explain.explains) {
        say_tersely(end->listen ? "refused to listen where no network rule allows it"
                                : "refused a destination that no network rule allows",
                    text);
        return;
    }
    bool quotes = !end->listen || end->protocol == NET_UNIX;
    say("coffer-runtime: explain: denied %s %s (%s): %s; to allow it, %s network:   - {%s: %s, "
        "class: plain%s}\n",
        end->listen ? "listening on" : "connecting to", text, protocols[end->protocol],
        by_rule ? "a rule denies it" : "no rule names it", by_rule ? "change in" : "add to", key,
        quotes ? quote(text, quoted) : text, end->protocol == NET_UDP ? ", protocol: udp" : "");
}

void explain_socket(int domain, int type, int protocol)
{
    if (!g_explain.explains) {
        say_tersely("refused a kind of socket that no network rule can name", NULL);
        return;
    }
    say("coffer-runtime: explain: denied a socket of domain %d, type %d, protocol %d: under a "
        "policy "
        "there are TCP, UDP and Unix sockets; no line can allow it\n",
        domain, type, protocol);
}

void explain_passing(int fd, const char *what)
{
    if (!g_explain.explains) {
        say_tersely("refused to pass a shielded descriptor to another process", NULL);
        return;
    }
    say("coffer-runtime: explain: denied passing descriptor %d (%s) over a Unix socket: its keys "
        "and "
        "contents stay in this process and its children; no line can allow it\n",
        fd, what);
}

void explain_call(const char *name, const char *why)
{
    if (g_explain.explains)
        say("coffer-runtime: explain: denied the call %s: %s; no line can allow it\n", name,
            why[0] ? why : "not offered");
}
