/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/loader/load.h: from a path and arguments to registers at a program's first instruction.
 *
 * Two steps, because execve() must be able to fail: program_find() and program_complete() judge all
 * without touching the guest; program_load() replaces the guest's memory. */
#ifndef COFFER_RUNTIME_LOADER_LOAD_H
#define COFFER_RUNTIME_LOADER_LOAD_H

#include "base/macros.h"
#include "runtime/loader/image.h"
#include "runtime/thread.h"

#define PROGRAM_STRINGS_MAX \
    ((size_t)6 << 20) /* arguments and environment; Linux never takes more */
#define PROGRAM_PATH_SIZE 4096

/* NUL-terminated array of strings, in one allocation each. */
struct strings {
    char **items;
    size_t count, capacity;
    size_t size; /* of all strings with their NULs */
};

must_check int strings_add(struct strings *s, const char *text, size_t at); /* -E2BIG, -ENOMEM */
void strings_done(struct strings *s);

struct program {
    char path[PROGRAM_PATH_SIZE]; /* what was executed, a script's path for a script: AT_EXECFN */
    char executable[PROGRAM_PATH_SIZE]; /* what was loaded, links followed: /proc/self/exe */
    bool unnamed; /* found by a descriptor alone: the process is called as its file is */
    struct strings argv, envp;
    size_t inserted; /* arguments that scripts have put before those that were given, */
    char *first;     /* in place of this one; NULL: nothing was */
    bool
        unreachable; /* `path` is gone once the program runs: no script's interpreter could open it */
    struct image image, interpreter_image;
    struct elf elf, interpreter;
};

/* Opens what is at `place`, which is all that is asked before the arguments are looked at. */
must_check int program_find(const struct image_place *place, struct program **ret_program);
/* The rest: scripts, formats. Takes over `argv` and `envp`, also on failure. */
must_check int program_complete(struct program *program, struct strings *argv,
                                struct strings *envp);
void program_free(struct program *program);

/* Maps the program into the (empty) guest and fills the registers it starts with. */
must_check int program_load(struct program *program, struct regs *ret_regs);

#endif
