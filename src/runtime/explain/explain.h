/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/explain/explain.h: what a person is told of the runtime's decisions.
 *
 * A refusal becomes a line on the program's standard error as it was at the start: with `--explain`
 * what was asked for, which rule decided, and the line that would allow it; each once, at most
 * EXPLAIN_LINES_MAX in a process. Without it, a few lines that name nothing where there is a policy,
 * because the host reads standard error and a path is the program's data. With `--record`, what the
 * program uses goes to a socket instead; nothing is refused then that would not be anyway.
 *
 * All functions are safe on any guest thread, take no lock but their own, and never fail: an
 * explanation that cannot be written is dropped. None may be called from a signal handler. */
#ifndef COFFER_RUNTIME_EXPLAIN_EXPLAIN_H
#define COFFER_RUNTIME_EXPLAIN_EXPLAIN_H

#include "runtime/config.h"

#define EXPLAIN_LINES_MAX 1000

enum explain_wish {
    WISH_READ = 1 << 0,
    WISH_WRITE = 1 << 1, /* or make, remove, rename, change its owner or mode */
    WISH_EXECUTE = 1 << 2,
    WISH_LIST = 1 << 3, /* a directory's names */
    WISH_LOOK = 1 << 4, /* only whether it is there, and what it is */
};

/* One end of a connection. */
struct explain_end {
    bool listen;
    enum net_protocol protocol;
    const char *address; /* NULL: any; a literal, or a Unix path or @NAME */
    int port;
};

extern bool g_explain_records;

/* Once, at the start; `config` lives for ever. Lines go to `fd`. */
void explain_start(const struct runtime_config *config, int fd);

/* A file was refused. `rule` is the prefix that decided ("" for "/"), or NULL: none names it. */
void explain_file(const char *path, unsigned wishes, const char *rule, const char *class);
void explain_net(const struct explain_end *end, bool by_rule);
void explain_socket(int domain, int type, int protocol);
/* A descriptor was not passed to another process; `what`: the kind of file behind it. */
void explain_passing(int fd, const char *what);
void explain_call(const char *name, const char *why);

/* --- what --record learns; nothing without it --- */

void record_file(const char *path, unsigned wishes);
void record_net(const struct explain_end *end);

/* The recorder's descriptor, 0 for none, kept or not kept across a host exec. */
int explain_record_keep(bool across_exec);

#endif
