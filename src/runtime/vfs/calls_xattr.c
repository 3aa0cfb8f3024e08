/* SPDX-License-Identifier: Apache-2.0 */
/* Extended attributes. user.* needs the file's permissions, trusted.* and security.* privilege;
 * POSIX ACLs are not kept (EOPNOTSUPP, as on a file system mounted without them). */
#include "runtime/fd_table.h"
#include "runtime/guest.h"
#include "runtime/vfs/calls.h"
#include "runtime/vfs/handlers.h"
#include "runtime/vfs/host_directory.h"
#include "runtime/vfs/permission.h"
#include "runtime/vfs/volume_file.h"
#include "runtime/vfs/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdlib.h>
#include <string.h>

enum xattr_kind { XATTR_GET, XATTR_SET, XATTR_LIST, XATTR_REMOVE };

struct xattr_job {
    enum xattr_kind kind;
    unsigned long name, value, size;
    int flags;
};

static int name_allowed(const char *name, const struct inode_ref *ref, bool writes)
{
    bool admin = fs_may(POWER_ADMIN);
    if (strncmp(name, "trusted.", 8) == 0 && writes && !admin)
        return -EPERM;
    if (strcmp(name, "user.") == 0 || strcmp(name, "trusted.") == 0 ||
        strcmp(name, "security.") == 0)
        return -EINVAL;
    if (strncmp(name, "user.", 5) == 0 && name[5]) {
        if (!S_ISREG(ref->attr.mode) && !S_ISDIR(ref->attr.mode))
            return writes ? -EPERM : -ENODATA;
        if (writes && S_ISDIR(ref->attr.mode) && (ref->attr.mode & S_ISVTX) &&
            permission_own(&ref->attr, fs_creds()) < 0)
            return -EPERM;
        return permission_check(&ref->attr, fs_creds(),
                                writes ? PERMISSION_WRITE : PERMISSION_READ);
    }
    if (strncmp(name, "trusted.", 8) == 0 && name[8])
        return admin ? 0 : writes ? -EPERM : -ENODATA;
    if (strncmp(name, "security.", 9) == 0 && name[9])
        return admin || !writes ? 0 : -EPERM;
    return -EOPNOTSUPP;
}

static int64_t copy_name(const struct xattr_job *x, char name[XATTR_NAME_MAX + 1])
{
    if (x->kind == XATTR_SET && (x->flags & ~3))
        return -EINVAL;
    int64_t n = guest_text(name, x->name, XATTR_NAME_MAX + 1);
    if (n == -ENAMETOOLONG || n == 0)
        return -ERANGE;
    return n;
}

/* GET and LIST: through a buffer of ours, since the value may be a secret only when it fits. */
static int64_t fetch(const struct xattr_job *x, struct request *rq)
{
    size_t size = MIN(x->size, (unsigned long)XATTR_SIZE_MAX);
    void *bytes = size ? malloc(size) : NULL;
    if (size && !bytes)
        return -ENOMEM;
    rq->out = bytes;
    rq->out_size = size;
    int64_t n = fs_request(rq);
    if (n > 0 && size > 0) {
        int r = guest_write(x->value, bytes, (size_t)n);
        if (r < 0)
            n = r;
    }
    free(bytes);
    return n;
}

/* The value, before the name is judged, as Linux does; into *ret_bytes, which the caller frees. */
static int64_t value_copy(const struct xattr_job *x, void **ret_bytes)
{
    if (x->size > XATTR_SIZE_MAX)
        return -E2BIG;
    void *bytes = malloc(x->size ? x->size : 1);
    if (!bytes)
        return -ENOMEM;
    int64_t r = guest_read(bytes, x->value, x->size);
    *ret_bytes = r == 0 ? bytes : NULL;
    if (r < 0)
        free(bytes);
    return r;
}

static int64_t store(const struct xattr_job *x, struct request *rq, const void *bytes)
{
    rq->in2 = slice_of(bytes, x->size);
    rq->flags = (uint32_t)x->flags;
    return fs_request(rq);
}

static int64_t act_named(const struct xattr_job *x, const struct inode_ref *ref, struct request *rq,
                         const char *name, const void *value)
{
    bool writes = x->kind == XATTR_SET || x->kind == XATTR_REMOVE;
    int64_t r = name_allowed(name, ref, writes);
    if (r < 0)
        return r;
    rq->in = slice_of_text(name);
    if (x->kind == XATTR_GET)
        return fetch(x, rq);
    r = x->kind == XATTR_SET ? store(x, rq, value) : fs_request(rq);
    if (r == 0 && watch_any()) {
        struct watch_name what = watch_name_of_ref(ref);
        watch_changed(&what);
    }
    return r;
}

static int64_t act(const struct xattr_job *x, const struct inode_ref *ref)
{
    static const uint32_t ops[] = {REQUEST_GETXATTR, REQUEST_SETXATTR, REQUEST_LISTXATTR,
                                   REQUEST_REMOVEXATTR};
    char name[XATTR_NAME_MAX + 1];
    bool writes = x->kind == XATTR_SET || x->kind == XATTR_REMOVE;
    struct request rq = {.op = ops[x->kind], .volume = ref->volume, .ino = ref->ino};
    void *value = NULL;
    if (writes && ref->mount->read_only)
        return -EROFS;
    if (x->kind == XATTR_LIST)
        return fetch(x, &rq);
    int64_t r = copy_name(x, name);
    if (r >= 0 && x->kind == XATTR_SET)
        r = value_copy(x, &value);
    if (r >= 0)
        r = act_named(x, ref, &rq, name, value);
    free(value);
    return r;
}

/* A file in memory has no attributes and gets none. */
static int64_t of_memory(const struct xattr_job *x)
{
    return x->kind == XATTR_LIST ? 0 : x->kind == XATTR_GET ? -ENODATA : -EROFS;
}

static int64_t xattr_place(struct path_job *job, struct place *p)
{
    struct inode_ref ref;
    int r = place_inode(p, &ref);
    if (r == -EROFS && (p->kind == PLACE_STATIC || p->kind == PLACE_FILE))
        return of_memory(job->more);
    return r < 0 ? (r == -EROFS ? -EOPNOTSUPP : r) : act(job->more, &ref);
}

static struct xattr_job job_of(const struct syscall_call *c, enum xattr_kind kind)
{
    struct xattr_job x = {.kind = kind};
    if (kind == XATTR_LIST) {
        x.value = c->args[1];
        x.size = c->args[2];
    } else {
        x.name = c->args[1];
        x.value = c->args[2];
        x.size = c->args[3];
        x.flags = (int)c->args[4];
    }
    return x;
}

static int64_t on_path(struct syscall_call *c, enum xattr_kind kind, unsigned flags)
{
    struct xattr_job x = job_of(c, kind);
    struct path_job job = {.c = c, .dir_arg = NO_ARG, .flags = flags, .more = &x};
    job.writes = kind == XATTR_SET || kind == XATTR_REMOVE;
    return path_run(&job, xattr_place);
}

static int64_t on_fd(struct syscall_call *c, enum xattr_kind kind)
{
    struct file *f = fd_get((int)c->args[0]);
    bool writes = kind == XATTR_SET || kind == XATTR_REMOVE;
    if (!f || is_host_directory(f)) {
        int may = fd_is_hidden((int)c->args[0]) ? -EBADF
                  : writes                      ? place_may_change((int)c->args[0])
                                                : 0;
        file_put(f);
        return may < 0 ? may : sys_pass(c);
    }
    struct xattr_job x = job_of(c, kind);
    struct place p = {.kind = PLACE_FILE, .file = f};
    struct inode_ref ref;
    char name[XATTR_NAME_MAX + 1];
    int64_t r = kind == XATTR_LIST ? 0 : copy_name(&x, name);
    void *value = NULL;
    if (r >= 0 && kind == XATTR_SET)
        r = value_copy(&x, &value);
    free(value);
    if (r >= 0)
        r = atomic_load(&f->flags) & O_PATH ? -EBADF : place_inode(&p, &ref);
    if (r == 0)
        r = act(&x, &ref);
    else if (r == -EROFS)
        r = f->ops->stat ? of_memory(&x) : -EOPNOTSUPP;
    file_put(f);
    return r;
}

int64_t sys_getxattr(struct syscall_call *c)
{
    return on_path(c, XATTR_GET, PLACE_FOLLOW);
}
int64_t sys_lgetxattr(struct syscall_call *c)
{
    return on_path(c, XATTR_GET, 0);
}
int64_t sys_fgetxattr(struct syscall_call *c)
{
    return on_fd(c, XATTR_GET);
}
int64_t sys_setxattr(struct syscall_call *c)
{
    return on_path(c, XATTR_SET, PLACE_FOLLOW);
}
int64_t sys_lsetxattr(struct syscall_call *c)
{
    return on_path(c, XATTR_SET, 0);
}
int64_t sys_fsetxattr(struct syscall_call *c)
{
    return on_fd(c, XATTR_SET);
}
int64_t sys_listxattr(struct syscall_call *c)
{
    return on_path(c, XATTR_LIST, PLACE_FOLLOW);
}
int64_t sys_llistxattr(struct syscall_call *c)
{
    return on_path(c, XATTR_LIST, 0);
}
int64_t sys_flistxattr(struct syscall_call *c)
{
    return on_fd(c, XATTR_LIST);
}
int64_t sys_removexattr(struct syscall_call *c)
{
    return on_path(c, XATTR_REMOVE, PLACE_FOLLOW);
}
int64_t sys_lremovexattr(struct syscall_call *c)
{
    return on_path(c, XATTR_REMOVE, 0);
}
int64_t sys_fremovexattr(struct syscall_call *c)
{
    return on_fd(c, XATTR_REMOVE);
}
