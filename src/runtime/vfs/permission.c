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

bool permission_keeps_group_bit(uint32_t gid, const struct creds *creds)
{
    return (creds->powers & POWER_SET_ID) || permission_in_group(creds, gid);
}

uint32_t permission_bits_lost(const struct volume_attr *attr, const struct creds *creds)
{
    uint32_t lost = attr->mode & S_ISUID;
    if ((attr->mode & S_ISGID) &&
        ((attr->mode & S_IXGRP) || !permission_keeps_group_bit(attr->gid, creds)))
        lost |= S_ISGID;
    return lost;
}

/* What capabilities give where the mode does not: to root, and to those who kept them. */
static bool is_privileged(uint32_t mode, uint32_t powers, unsigned wanted)
{
    bool changes = wanted & PERMISSION_WRITE;
    if (S_ISDIR(mode))
        return powers & (changes ? POWER_OVERRIDE : POWER_OVERRIDE | POWER_SEARCH);
    if (wanted == PERMISSION_READ && (powers & POWER_SEARCH))
        return true;
    /* Nobody executes what nobody may execute. */
    return (powers & POWER_OVERRIDE) && (!(wanted & PERMISSION_EXECUTE) || (mode & 0111));
}

int permission_check(const struct volume_attr *attr, const struct creds *creds, unsigned wanted)
{
    unsigned allowed = attr->mode & 7;
    if (creds->uid == attr->uid)
        allowed = attr->mode >> 6 & 7;
    else if (permission_in_group(creds, attr->gid))
        allowed = attr->mode >> 3 & 7;
    return (wanted & ~allowed) == 0 || is_privileged(attr->mode, creds->powers, wanted) ? 0
                                                                                        : -EACCES;
}

int permission_remove(const struct volume_attr *dir, const struct volume_attr *victim,
                      const struct creds *creds)
{
    int r = permission_check(dir, creds, PERMISSION_WRITE | PERMISSION_EXECUTE);
    if (r < 0 || (creds->powers & POWER_OWNER) || !(dir->mode & S_ISVTX))
        return r;
    return creds->uid == victim->uid || creds->uid == dir->uid ? 0 : -EPERM;
}

int permission_own(const struct volume_attr *attr, const struct creds *creds)
{
    return (creds->powers & POWER_OWNER) || creds->uid == attr->uid ? 0 : -EPERM;
}

int permission_link(const struct volume_attr *attr, const struct creds *creds)
{
    const uint32_t as_group = S_ISGID | S_IXGRP;
    if (permission_own(attr, creds) == 0)
        return 0;
    if (!S_ISREG(attr->mode) || (attr->mode & S_ISUID) || (attr->mode & as_group) == as_group)
        return -EPERM;
    return permission_check(attr, creds, PERMISSION_READ | PERMISSION_WRITE) < 0 ? -EPERM : 0;
}
