/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vfs/device.h"

#include "base/log.h"
#include "platform/ops.h"
#include "runtime/guest.h"
#include "runtime/vfs/dirents.h"
#include "runtime/vfs/file_ops.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LABEL_PREFIX "guest:"
#define LABEL_MAX 255
#define DEVICE_DIR_MINOR 0xc0ee

enum device_kind { DEVICE_REPORT_DATA, DEVICE_EVIDENCE, DEVICE_SEAL_KEY, DEVICE_KIND_COUNT };

static const char *const device_names[DEVICE_KIND_COUNT] = {"report-data", "evidence", "seal-key"};

struct device {
    struct file file;
    int kind; /* enum device_kind; -1: the directory */
    /* protected by file.lock: */
    bool has_own;
    size_t label_size;
    uint8_t label[LABEL_MAX];
    uint8_t own[REPORT_DATA_SIZE];
    struct buf answer;
};

static lock_word g_lock; /* protects: g_report_data */
static uint8_t g_report_data[REPORT_DATA_SIZE];

static struct device *device_of(struct file *f)
{
    return (struct device *)(void *)f;
}

static int kind_of(const char *below)
{
    for (int i = 0; i < DEVICE_KIND_COUNT; i++)
        if (below[0] == '/' && strcmp(below + 1, device_names[i]) == 0)
            return i;
    return below[0] == '\0' ? -1 : -ENOENT;
}

int device_open(const char *below, int flags, struct file **ret_file)
{
    int kind = kind_of(below);
    if (kind < -1)
        return flags & O_CREAT ? -EACCES : kind;
    bool writes = (flags & O_ACCMODE) != O_RDONLY;
    if (kind == -1 && writes)
        return -EISDIR;
    if (kind != -1 && (flags & O_DIRECTORY))
        return -ENOTDIR;
    struct device *device = calloc(1, sizeof *device);
    if (!device)
        return -ENOMEM;
    file_init(&device->file, kind == -1 ? &device_dir_ops : &device_ops, flags);
    device->kind = kind;
    *ret_file = &device->file;
    return 0;
}

int device_statx(const char *below, struct statx *ret_stat)
{
    int kind = kind_of(below);
    if (kind < -1)
        return kind;
    *ret_stat = (struct statx){
        .stx_mask = STATX_BASIC_STATS,
        .stx_blksize = 4096,
        .stx_nlink = kind == -1 ? 2 : 1,
        .stx_mode = kind == -1 ? S_IFDIR | 0555 : S_IFCHR | 0600,
        .stx_ino = (uint64_t)(kind + 2),
        .stx_dev_minor = DEVICE_DIR_MINOR,
    };
    return 0;
}

/* --- the directory --- */

static int64_t dir_getdents(struct file *f, void *entries, size_t size)
{
    struct dirents d = {.bytes = entries, .size = size};
    int64_t position = atomic_load(&f->offset);
    for (; position < DEVICE_KIND_COUNT + 2 && !d.full; position++) {
        const char *name = position == 0 ? "." : position == 1 ? ".." : device_names[position - 2];
        uint8_t type = position < 2 ? DT_DIR : DT_CHR;
        if (!dirents_add(&d, (uint64_t)position + 1, position + 1, type, name, strlen(name)))
            break;
    }
    atomic_store(&f->offset, position);
    return d.used == 0 && d.full ? -EINVAL : (int64_t)d.used;
}

static int64_t dir_seek(struct file *f, int64_t offset, int whence)
{
    if (whence != SEEK_SET || offset < 0)
        return -EINVAL;
    atomic_store(&f->offset, offset);
    return offset;
}

static int64_t dir_read(struct file *f, const struct iovec *iov, int count, int64_t offset,
                        int flags)
{
    (void)f, (void)iov, (void)count, (void)offset, (void)flags;
    return -EISDIR;
}

static int64_t device_stat(struct file *f, struct statx *ret_stat)
{
    int kind = device_of(f)->kind;
    char below[32] = "";
    if (kind >= 0) {
        below[0] = '/';
        memcpy(below + 1, device_names[kind], strlen(device_names[kind]) + 1);
    }
    return device_statx(below, ret_stat);
}

/* --- the files --- */

static int make_evidence(struct device *device)
{
    uint8_t report_data[REPORT_DATA_SIZE];
    if (device->has_own) {
        memcpy(report_data, device->own, sizeof report_data);
    } else {
        lock_acquire(&g_lock);
        memcpy(report_data, g_report_data, sizeof report_data);
        lock_release(&g_lock);
    }
    struct error e = {0};
    int r = platform()->evidence(report_data, &device->answer, &e);
    if (r < 0)
        LOG_WARNING("no evidence", LOG_TEXT("why", error_text(&e, r)));
    return r;
}

static int make_key(struct device *device)
{
    uint8_t label[sizeof LABEL_PREFIX - 1 + LABEL_MAX];
    memcpy(label, LABEL_PREFIX, sizeof LABEL_PREFIX - 1);
    memcpy(label + sizeof LABEL_PREFIX - 1, device->label, device->label_size);
    SCOPED(key256_wipe) struct key256 key;
    struct error e = {0};
    int r = platform()->seal_key(slice_of(label, sizeof LABEL_PREFIX - 1 + device->label_size),
                                 &key, &e);
    if (r < 0) {
        LOG_WARNING("no sealing key", LOG_TEXT("why", error_text(&e, r)));
        return r;
    }
    return buf_append(&device->answer, key.bytes, sizeof key.bytes);
}

static int make_answer(struct device *device)
{
    if (device->answer.size > 0)
        return 0;
    switch (device->kind) {
    case DEVICE_EVIDENCE:
        return make_evidence(device);
    case DEVICE_SEAL_KEY:
        return make_key(device);
    default:
        lock_acquire(&g_lock);
        int r = buf_append(&device->answer, g_report_data, sizeof g_report_data);
        lock_release(&g_lock);
        return r;
    }
}

static int64_t device_read(struct file *f, const struct iovec *iov, int count, int64_t offset,
                           int flags)
{
    struct device *device = device_of(f);
    (void)flags;
    if ((atomic_load(&f->flags) & O_ACCMODE) == O_WRONLY || (atomic_load(&f->flags) & O_PATH))
        return -EBADF;
    lock_acquire(&f->lock);
    int64_t done = make_answer(device);
    uint64_t at = (uint64_t)(offset >= 0 ? offset : atomic_load(&f->offset));
    if (done >= 0 && at < device->answer.size)
        done = guest_scatter(iov, count, 0, device->answer.bytes + at,
                             device->answer.size - (size_t)at);
    if (offset < 0 && done > 0)
        atomic_store(&f->offset, (int64_t)at + done);
    lock_release(&f->lock);
    return done;
}

static int take(struct device *device, const uint8_t *bytes, size_t size)
{
    if (device->kind == DEVICE_SEAL_KEY) {
        if (size > LABEL_MAX)
            return -EINVAL;
        memcpy(device->label, bytes, size);
        device->label_size = size;
        return 0;
    }
    if (size != REPORT_DATA_SIZE)
        return -EINVAL;
    if (device->kind == DEVICE_EVIDENCE) {
        memcpy(device->own, bytes, REPORT_DATA_SIZE);
        device->has_own = true;
        return 0;
    }
    lock_acquire(&g_lock);
    memcpy(g_report_data, bytes, REPORT_DATA_SIZE);
    lock_release(&g_lock);
    return 0;
}

static int64_t device_write(struct file *f, const struct iovec *iov, int count, int64_t offset,
                            int flags)
{
    struct device *device = device_of(f);
    (void)offset, (void)flags;
    if ((atomic_load(&f->flags) & O_ACCMODE) == O_RDONLY)
        return -EBADF;
    uint8_t bytes[LABEL_MAX + 1];
    size_t size = guest_iov_size(iov, count);
    if (size > sizeof bytes)
        return -EINVAL;
    if (guest_gather(bytes, size, iov, count, 0) != (ssize_t)size)
        return -EFAULT;
    lock_acquire(&f->lock);
    int r = take(device, bytes, size);
    if (r == 0) {
        buf_done(&device->answer); /* what was asked before is no longer the answer */
        atomic_store(&f->offset, 0);
    }
    lock_release(&f->lock);
    return r < 0 ? r : (int64_t)size;
}

static int64_t device_seek(struct file *f, int64_t offset, int whence)
{
    if (whence != SEEK_SET || offset < 0)
        return -ESPIPE;
    atomic_store(&f->offset, offset);
    return offset;
}

static int device_poll(struct file *f, int events, int *ret_host_events)
{
    (void)f;
    *ret_host_events = 0;
    return events & (0x0001 | 0x0004 | 0x0040 | 0x0100);
}

static void device_release(struct file *f)
{
    struct device *device = device_of(f);
    buf_done(&device->answer);
    secret_wipe(device, sizeof *device);
    free(device);
}

const struct file_ops device_ops = {
    .name = "/dev/coffer",
    .read = device_read,
    .write = device_write,
    .seek = device_seek,
    .stat = device_stat,
    .poll = device_poll,
    .release = device_release,
};

const struct file_ops device_dir_ops = {
    .name = "/dev/coffer",
    .read = dir_read,
    .seek = dir_seek,
    .stat = device_stat,
    .getdents = dir_getdents,
    .release = device_release,
};
