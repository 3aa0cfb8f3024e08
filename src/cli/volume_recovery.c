/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes opened with a recovery key: for an owner who has the disk and no key broker any more. */
#include "base/buf.h"
#include "cli/owner_keys.h"
#include "cli/volume_cli.h"
#include "kbs/recovery.h"

#include <errno.h>

enum { SEALED_FILE_MAX = 16 << 10 };

int volume_recovery_text(const char *path, const char *keys, struct buf *ret_text, struct error *e)
{
    SCOPED(owner_keys_done) struct owner_keys owner = {0};
    SCOPED(buf_done) struct buf sealed = {0};
    struct recovery_key key;
    if (!keys)
        return error_set(e, -EINVAL,
                         "a recovery key is sealed to its owner: say where the owner's keys are "
                         "with --keys DIR");
    int r = owner_keys_load(keys, &owner, e);
    if (r == 0)
        r = owner_file_read(path, SEALED_FILE_MAX, &sealed, e);
    if (r < 0)
        return r;
    r = recovery_volume_key_open(buf_slice(&sealed), owner.key, ret_text);
    if (r < 0)
        return error_set(e, -EKEYREJECTED, "'%s' is no recovery key, or not for the keys in '%s'",
                         path, keys);
    r = recovery_key_parse(buf_slice(ret_text), &key);
    recovery_key_wipe(&key);
    return r < 0 ? error_set(e, r, "'%s' was made by another version", path) : 0;
}

int volume_recovery_open(const char *dir, struct slice text, bool accept_older,
                         struct recovery_volume **ret_recovery, struct volume **ret_volume,
                         struct error *e)
{
    struct recovery_key key;
    struct recovery_volume *recovery = NULL;
    int r = recovery_key_parse(text, &key);
    if (r < 0)
        return r;
    r = recovery_volume_new(dir, &key, accept_older, &recovery, e);
    recovery_key_wipe(&key);
    if (r < 0)
        return r;
    const struct volume_options options = recovery_volume_options(recovery);
    r = recovery_volume_judge(recovery, volume_open(&options, ret_volume, e), e);
    if (r < 0) {
        recovery_volume_free(recovery);
        return r;
    }
    *ret_recovery = recovery;
    return 0;
}
