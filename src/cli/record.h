/* SPDX-License-Identifier: Apache-2.0 */
/* cli/record.h: `coffer run --record FILE`: what a program used, and the smallest policy that lets it
 * run again. The runtime tells (src/runtime/explain/record.c); this is the owner's own machine, so what
 * is told is not hostile, but it is bounded. One thread. */
#ifndef COFFER_CLI_RECORD_H
#define COFFER_CLI_RECORD_H

#include "base/error.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdio.h>

#define RECORD_FILES_MAX 65536
#define RECORD_ENDS_MAX 1024

/* As the runtime counts them (runtime/explain/explain.h). */
enum record_wish {
    RECORD_READ = 1 << 0,
    RECORD_WRITE = 1 << 1,
    RECORD_EXECUTE = 1 << 2,
    RECORD_LIST = 1 << 3,
    RECORD_LOOK = 1 << 4,
};

struct record_file {
    char *path;
    unsigned wishes;
};

struct record_end {
    bool listen;
    int protocol; /* 0 tcp, 1 udp, 2 unix */
    int port;
    char *address; /* "": any */
};

struct record {
    struct record_file *files;
    size_t file_count;
    struct record_end *ends;
    size_t end_count;
    char *const *arguments;   /* NULL-terminated; the caller's */
    char *const *environment; /* NAME=VALUE, NULL-terminated; the caller's */
    char *const *flags; /* of `coffer run`, NULL-terminated: volumes and TLS ports are taken */
    const char *directory;
};

/* One message of the runtime's. 0, -EBADMSG (not one), -ENOMEM, -E2BIG. */
must_check int record_take(struct record *record, struct slice message);
void record_done(struct record *record);

/* The program itself: the first file that was executed and exists; NULL: none ever ran. */
const char *record_program(const struct record *record);

/* The policy, as docs/policy.md has it. Looks at the files (their kind, their SHA-256). 0, -E2BIG if
 * more rules are needed than a policy may have, or -ENOMEM. */
must_check int record_write(struct record *record, FILE *out, struct error *e);

/* Runs `runtime` (a path) with `flags` and the program, and writes the policy to `file`. Its exit code,
 * or the program's. */
int record_run(const char *runtime, const char *file, char **flags, char **program);

#endif
