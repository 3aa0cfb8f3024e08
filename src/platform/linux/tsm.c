/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/linux/tsm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SIZE = 512, NUMBER_SIZE = 32, ATTEMPTS = 5 };

/* An entry, and whether it is ours to remove. */
struct entry {
    int fd;
    char path[PATH_SIZE];
    bool made;
};

static void entry_done(struct entry *entry)
{
    if (entry->fd >= 0)
        close(entry->fd);
    if (entry->made)
        rmdir(entry->path);
}

/* One entry for each process: two users of one would spoil each other's reports. */
static int entry_open(const char *path, struct entry *ret, struct error *e)
{
    const char *where = path ? path : TSM_ROOT;
    char inblob[PATH_SIZE + 16];
    *ret = (struct entry){.fd = -1};
    snprintf(inblob, sizeof inblob, "%.500s/inblob", where);
    if (access(inblob, F_OK) == 0) {
        snprintf(ret->path, sizeof ret->path, "%.500s", where);
    } else {
        int n = snprintf(ret->path, sizeof ret->path, "%.400s/coffer-%d", where, getpid());
        if (n < 0 || (size_t)n >= sizeof ret->path)
            return error_set(e, -ENAMETOOLONG, "'%s' is too long", where);
        if (mkdir(ret->path, 0700) < 0 && errno != EEXIST)
            return error_set(e, -errno,
                             errno == ENOENT
                                 ? "no configfs-tsm in '%s': is this a confidential virtual "
                                   "machine, and configfs mounted?"
                             : errno == ENXIO ? "configfs-tsm in '%s' has no provider: load "
                                                "tdx_guest or sev_guest"
                                              : "cannot make an entry in '%s'",
                             where);
        ret->made = true;
    }
    ret->fd = open(ret->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (ret->fd < 0) {
        int r = -errno;
        entry_done(ret);
        return error_set(e, r, "cannot open '%s'", where);
    }
    return 0;
}

static int blob_read(const struct entry *entry, const char *name, size_t max, struct buf *ret)
{
    int fd = openat(entry->fd, name, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : 1;
    if (fd < 0)
        return -errno;
    ret->size_max = max + 1;
    while (n > 0 && ret->size <= max) {
        size_t room = max + 1 - ret->size;
        uint8_t *to = room ? buf_reserve(ret, room < 4096 ? room : 4096) : NULL;
        n = to ? read(fd, to, room < 4096 ? room : 4096) : 0;
        if (n > 0)
            ret->size += (size_t)n;
    }
    int r = n < 0 ? -errno : ret->size > max ? -EMSGSIZE : 0;
    close(fd);
    return r;
}

static int text_read(const struct entry *entry, const char *name, char *text, size_t size)
{
    SCOPED(buf_done) struct buf bytes = {0};
    int r = blob_read(entry, name, size - 1, &bytes);
    if (r < 0)
        return r;
    memcpy(text, bytes.size ? (const char *)bytes.bytes : "", bytes.size);
    text[bytes.size] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return 0;
}

static int generation_read(const struct entry *entry, unsigned long *ret)
{
    char text[NUMBER_SIZE], *end = NULL;
    int r = text_read(entry, "generation", text, sizeof text);
    if (r < 0)
        return r;
    errno = 0;
    *ret = strtoul(text, &end, 10);
    return text[0] < '0' || text[0] > '9' || *end || errno ? -EPROTO : 0;
}

static int attribute_write(const struct entry *entry, const char *name, const void *bytes,
                           size_t size)
{
    int fd = openat(entry->fd, name, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t n = write(fd, bytes, size);
    int r = n < 0 ? -errno : (size_t)n == size ? 0 : -EIO;
    if (close(fd) < 0 && r == 0)
        r = -errno;
    return r;
}

static int level_write(const struct entry *entry, int level)
{
    char text[NUMBER_SIZE];
    int n = snprintf(text, sizeof text, "%d\n", level);
    return attribute_write(entry, "privlevel", text, (size_t)n);
}

/* Ask, read, and see by the generation that what was read answers what was asked. */
static int exchange_once(const struct entry *entry, const uint8_t *data, int level,
                         struct tsm_answer *ret)
{
    unsigned long before = 0, after = 0;
    unsigned writes = 1;
    buf_clear(&ret->report);
    buf_clear(&ret->auxiliary);
    int r = generation_read(entry, &before);
    if (r == 0 && level >= 0) {
        r = level_write(entry, level);
        writes++;
    }
    if (r == 0)
        r = attribute_write(entry, "inblob", data, TSM_REPORT_DATA_SIZE);
    if (r == 0)
        r = blob_read(entry, "outblob", TSM_BLOB_SIZE_MAX, &ret->report);
    if (r == 0) {
        r = blob_read(entry, "auxblob", TSM_BLOB_SIZE_MAX, &ret->auxiliary);
        if (r == -ENOENT)
            r = 0; /* the provider has none */
    }
    if (r == 0)
        r = generation_read(entry, &after);
    return r == 0 && after - before != writes ? -EBUSY : r;
}

static int exchange(const struct entry *entry, const uint8_t *data, int level,
                    struct tsm_answer *ret, struct error *e)
{
    int r = -EBUSY;
    for (int i = 0; i < ATTEMPTS && r == -EBUSY; i++)
        r = exchange_once(entry, data, level, ret);
    if (r == -EBUSY)
        return error_set(e, r, "somebody else uses '%s': the reports are not ours", entry->path);
    if (r == -EMSGSIZE)
        return error_set(e, r, "a report larger than %zu bytes", TSM_BLOB_SIZE_MAX);
    if (r == 0 && ret->report.size == 0)
        r = -EIO;
    return r < 0 ? error_set(e, r, "no report from '%s'", entry->path) : 0;
}

static enum tsm_kind kind_of(const char *provider)
{
    return strcmp(provider, "tdx_guest") == 0   ? TSM_TDX
           : strcmp(provider, "sev_guest") == 0 ? TSM_SNP
                                                : TSM_UNKNOWN;
}

int tsm_report(const char *path, const uint8_t report_data[TSM_REPORT_DATA_SIZE],
               int privilege_level, struct tsm_answer *ret, struct error *e)
{
    SCOPED(entry_done) struct entry entry = {.fd = -1};
    int r = entry_open(path, &entry, e);
    if (r < 0)
        return r;
    r = text_read(&entry, "provider", ret->provider, sizeof ret->provider);
    if (r < 0)
        return error_set(e, r, "'%s' does not say its provider", entry.path);
    ret->kind = kind_of(ret->provider);
    if (ret->kind == TSM_UNKNOWN)
        return error_set(e, -EOPNOTSUPP, "reports of '%s' are not known here", ret->provider);
    return exchange(&entry, report_data, privilege_level, ret, e);
}

void tsm_answer_done(struct tsm_answer *answer)
{
    buf_done(&answer->report);
    buf_done(&answer->auxiliary);
}

int tsm_provider(const char *path, char ret_provider[TSM_PROVIDER_SIZE], struct error *e)
{
    SCOPED(entry_done) struct entry entry = {.fd = -1};
    int r = entry_open(path, &entry, e);
    if (r == 0)
        r = text_read(&entry, "provider", ret_provider, TSM_PROVIDER_SIZE);
    return r;
}

static int rtmr_path(const char *dir, unsigned index, char path[PATH_SIZE])
{
    int n = snprintf(path, PATH_SIZE, "%s/rtmr%u:sha384", dir ? dir : TSM_RTMR_DIR, index);
    return index < TSM_RTMR_COUNT && n > 0 && n < PATH_SIZE ? 0 : -EINVAL;
}

int tsm_rtmr_read(const char *dir, unsigned index, uint8_t ret_value[TSM_RTMR_SIZE],
                  struct error *e)
{
    char path[PATH_SIZE];
    int r = rtmr_path(dir, index, path);
    int fd = r < 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(e, r < 0 ? r : -errno, "cannot read register %u", index);
    ssize_t n = read(fd, ret_value, TSM_RTMR_SIZE);
    close(fd);
    return n == TSM_RTMR_SIZE ? 0 : error_set(e, -EIO, "register %u has no value", index);
}

/* A write of exactly one digest at the start. */
int tsm_rtmr_extend(const char *dir, unsigned index, const uint8_t digest[TSM_RTMR_SIZE],
                    struct error *e)
{
    char path[PATH_SIZE];
    int r = rtmr_path(dir, index, path);
    int fd = r < 0 ? -1 : open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(e, r < 0 ? r : -errno, "cannot extend register %u", index);
    ssize_t n = write(fd, digest, TSM_RTMR_SIZE);
    int saved = errno;
    if (close(fd) < 0 && n == TSM_RTMR_SIZE)
        n = -1;
    return n == TSM_RTMR_SIZE ? 0
                              : error_set(e, n < 0 && saved > 0 ? -saved : -EIO,
                                          "register %u was not extended", index);
}
