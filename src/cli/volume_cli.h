/* SPDX-License-Identifier: Apache-2.0 */
/* cli/volume_cli.h: what the verbs of `coffer volume` share. */
#ifndef COFFER_CLI_VOLUME_CLI_H
#define COFFER_CLI_VOLUME_CLI_H

#include "base/buf.h"
#include "base/error.h"
#include "volume/local.h"
#include "volume/recovery_key.h"

#include <stdio.h>
#include <sys/stat.h>

/* Exit statuses; docs/volume.md promises them. */
enum volume_exit {
    VOLUME_EXIT_OK = 0,
    VOLUME_EXIT_FAILED = 1,
    VOLUME_EXIT_USAGE = 2,
    VOLUME_EXIT_DAMAGED = 3, /* something does not verify */
    VOLUME_EXIT_OLD = 4,     /* an older or another state than the newest known, or another key */
    VOLUME_EXIT_HELD = 5,    /* somebody else has the volume open */
};

struct volume_settings {
    const char *state;
    const char *snapshot;
    const char *base, *key;
    const char *size, *files;
    const char *recovery, *keys; /* a sealed recovery key, and whose it is */
    bool accept_older;
    bool recursive, long_list, all_parents, force, human, rewrite, compress, help;
};

/* What a verb works on. */
struct volume_job {
    struct volume_settings settings;
    const char *dir;
    char **args; /* the words after DIR, or all of them where the verb has no DIR */
    int count;
    const char *state_dir;
    struct local_volume local;
    struct recovery_volume *recovery;
    struct volume *volume;
    struct error e;
    int status; /* the worst of what failed without ending the verb */
};

/* Says on standard error what failed with what, and returns the exit status for it. */
int volume_fail(struct volume_job *job, int r, const char *what);
/* The same where the verb goes on: the status is kept for the end. */
void volume_fail_on(struct volume_job *job, int r, const char *what);
must_check int volume_job_open(struct volume_job *job);

/* --- volume_recovery.c --- */

/* The text of the recovery key in `path`, which was sealed to the owner whose keys are in `keys`. */
must_check int volume_recovery_text(const char *path, const char *keys, struct buf *ret_text,
                                    struct error *e);
/* Opens the volume in `dir` with that text for reading. Both results are the caller's, the volume to be
 * closed first. */
must_check int volume_recovery_open(const char *dir, struct slice text, bool accept_older,
                                    struct recovery_volume **ret_recovery,
                                    struct volume **ret_volume, struct error *e);
/* Damage goes to `out`; how many findings, or -errno. */
int volume_check_print(struct volume *v, FILE *out);

/* --- volume_path.c --- */

/* The inode at a path from the root; links on the way, and with `follow` at its end, are followed
 * inside the volume. */
must_check int volume_path_find(struct volume *v, const char *path, bool follow, uint64_t *ret_ino);
/* The directory that holds, or is to hold, the last name of `path`. -EINVAL for the root and for a
 * path that ends in "." or "..". */
must_check int volume_path_parent(struct volume *v, const char *path, uint64_t *ret_dir,
                                  struct slice *ret_name);
/* What could steer a terminal is escaped: names come from the program that ran on the volume. */
void volume_name_print(FILE *to, const char *name);

/* --- verbs: volume_files.c, volume_copy.c --- */

int volume_verb_ls(struct volume_job *job);
int volume_verb_stat(struct volume_job *job);
int volume_verb_cat(struct volume_job *job);
int volume_verb_rm(struct volume_job *job);
int volume_verb_mkdir(struct volume_job *job);
int volume_verb_mv(struct volume_job *job);
int volume_verb_df(struct volume_job *job);
int volume_verb_put(struct volume_job *job);
int volume_verb_get(struct volume_job *job);
int volume_verb_cp(struct volume_job *job);

/* --- volume_snapshot.c --- */

int volume_verb_snapshot(struct volume_job *job);

/* --- volume_admin.c, volume_salvage.c --- */

int volume_verb_export(struct volume_job *job);
int volume_verb_import(struct volume_job *job);
int volume_verb_rekey(struct volume_job *job);
int volume_verb_erase(struct volume_job *job);
int volume_verb_salvage(struct volume_job *job);

#endif
