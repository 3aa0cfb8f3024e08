/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vfs/permission.h"

#include <errno.h>
#include <sys/stat.h>

bool permission_in_group(const struct creds *creds, uint32_t gid)
{
    if (creds->gid == gid)
        return true;
    for (uint32_t i = 0; i < creds->group_count && i < CREDS_GROUPS_MAX; i++)
        if (creds->groups[i] == gid)
            return true;
    return false;
}

int permission_check(const struct volume_attr *attr, const struct creds *creds, unsigned wanted)
{
    unsigned allowed = attr->mode & 7;
    if (creds->privileged) {
        /* Even root executes only what somebody may execute. */
        bool needs_bit = (wanted & PERMISSION_EXECUTE) && !S_ISDIR(attr->mode);
        return needs_bit && (attr->mode & 0111) == 0 ? -EACCES : 0;
    }
    if (creds->uid == attr->uid)
        allowed = attr->mode >> 6 & 7;
    else if (permission_in_group(creds, attr->gid))
        allowed = attr->mode >> 3 & 7;
    return (wanted & ~allowed) ? -EACCES : 0;
}

int permission_remove(const struct volume_attr *dir, const struct volume_attr *victim,
                      const struct creds *creds)
{
    int r = permission_check(dir, creds, PERMISSION_WRITE | PERMISSION_EXECUTE);
    if (r < 0 || creds->privileged || !(dir->mode & S_ISVTX))
        return r;
    return creds->uid == victim->uid || creds->uid == dir->uid ? 0 : -EPERM;
}

int permission_own(const struct volume_attr *attr, const struct creds *creds)
{
    return creds->privileged || creds->uid == attr->uid ? 0 : -EPERM;
}
