/* SPDX-License-Identifier: Apache-2.0 */
/* `coffer policy first`: a program runs once and is watched, and what it used becomes its policy at the
 * key broker. The file stays, to be read and made narrower. */
#include "cli/owner_keys.h"
#include "cli/policy.h"
#include "cli/record.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define VERSION_LINE "version: 1\n"

static void file_remove(char *path)
{
    if (path[0])
        (void)unlink(path);
}

/* From a recorded policy to one of the key broker: whose it is, and what proves it here. */
static int recorded_complete(const char *recorded, const char *word, struct buf *out,
                             struct error *e)
{
    const char *slash = strchr(word, '/'), *rest = strstr(recorded, VERSION_LINE);
    if (!slash || slash == word || !slash[1])
        return error_set(e, -EINVAL, "'%s' is not TENANT/POLICY, as in shop/hello", word);
    if (!rest)
        return error_set(e, -EBADMSG, "what was recorded is no policy");
    return buf_printf(
        out,
        "# Recorded by coffer policy first: what one run used, and nothing else. Read "
        "it before\n# you trust it. `tee: [sim]` proves nothing on hardware: name the "
        "kinds you have there.\n" VERSION_LINE "tenant: %.*s\nname: %s\ntee: [sim]\n%s",
        (int)(slash - word), word, slash + 1, rest + strlen(VERSION_LINE));
}

static int record_to(const char *path, char **program, struct error *e)
{
    char runtime[PATH_MAX], *no_flags[] = {NULL};
    int r = command_sibling("coffer-runtime", runtime, sizeof runtime, e);
    if (r == 0)
        r = record_run(runtime, path, no_flags, program);
    return r == 0 ? 0
           : r < 0
               ? r
               : error_set(e, -ECANCELED,
                           "'%s' ended with exit code %d, so its run is no example; nothing was "
                           "given to the key broker",
                           program[0], r);
}

int policy_first(const struct policy_options *o, const char *word, char **program, struct error *e)
{
    SCOPED(buf_done) struct buf recorded = {0}, text = {0};
    SCOPED(policy_freep) struct policy *policy = NULL;
    const char *name = strrchr(word, '/');
    char path[PATH_MAX], temporary[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s%s",
             o->out ? o->out
             : name ? name + 1
                    : word,
             o->out ? "" : ".yaml");
    snprintf(temporary, sizeof temporary, "%s.recording", path);
    if (!o->keys)
        return error_set(e, -EINVAL, "first needs --keys DIR, from `coffer owner new DIR`");
    if (!program || !program[0])
        return error_set(e, -EINVAL,
                         "which program? As in: coffer policy first %s --keys %s -- "
                         "echo hello",
                         word, o->keys);
    if (access(path, F_OK) == 0)
        return error_set(e, -EEXIST,
                         "'%s' exists; to give it to the key broker: coffer policy put %s; for "
                         "another file: --out FILE",
                         path, path);
    int r = recorded_complete(VERSION_LINE, word, &text, e); /* before the program runs */
    if (r == 0)
        r = record_to(temporary, program, e);
    if (r == 0)
        r = policy_file_read(temporary, &recorded, e);
    file_remove(temporary);
    text.size = 0;
    if (r == 0)
        r = recorded_complete(buf_text(&recorded) ? buf_text(&recorded) : "", word, &text, e);
    if (r == 0)
        r = policy_parse(buf_slice(&text), &policy, e);
    if (r == 0)
        r = owner_file_write(path, buf_slice(&text), 0644, e);
    if (r < 0)
        return r;
    char *words[] = {(char *)(uintptr_t) "put", path};
    r = policy_calls(o, words[0], 2, words, e);
    if (r < 0)
        return error_prefix(e, r, "'%s' is written, but not in place", path);
    printf("Read %s; change it as you like, and `coffer policy put %s --keys %s` it again.\n"
           "Go on: coffer run --attested %s -- %s\n",
           path, path, o->keys, word, program[0]);
    return 0;
}
