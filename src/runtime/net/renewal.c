/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/net/renewal.h"

#include "platform/host.h"
#include "runtime/net/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define CHECK_NS ((int64_t)1000000000)
#define ASK_AGAIN_NS ((int64_t)600 * 1000000000)

enum { PEM_SIZE_MAX = 1 << 20 };

int renewal_read(const char *path, struct slice *ret_bytes, struct error *e)
{
    uint64_t size = 0;
    int fd = host_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return error_set(e, fd, "cannot open '%s'", path);
    int r = host_fstat_size(fd, &size, NULL);
    uint8_t *bytes = r == 0 && size > 0 && size <= PEM_SIZE_MAX ? malloc(size) : NULL;
    ssize_t n = bytes ? host_pread(fd, bytes, size, 0) : -EINVAL;
    host_close(fd);
    if (n <= 0) {
        free(bytes);
        return error_set(e, -EINVAL, "'%s' cannot be read as PEM", path);
    }
    *ret_bytes = slice_of(bytes, (size_t)n);
    return 0;
}

static int stamp_of(const char *path, struct renewal_stamp *ret_stamp)
{
    struct statx stat = {0};
    long r = host_call(SYS_statx, AT_FDCWD, path, 0, STATX_MTIME | STATX_SIZE | STATX_INO, &stat);
    if (r != 0)
        return r < 0 && r > -4096 ? (int)r : -EPROTO;
    *ret_stamp =
        (struct renewal_stamp){.inode = stat.stx_ino,
                               .size = stat.stx_size,
                               .mtime_ns = (int64_t)((uint64_t)stat.stx_mtime.tv_sec * 1000000000u +
                                                     (uint64_t)stat.stx_mtime.tv_nsec)};
    return 0;
}

static bool is_same(const struct renewal_stamp *a, const struct renewal_stamp *b)
{
    return a->inode == b->inode && a->size == b->size && a->mtime_ns == b->mtime_ns;
}

static void slice_drop(struct slice *bytes, bool secret)
{
    void *memory = (void *)(uintptr_t)bytes->bytes;
    if (memory && secret)
        secret_wipe(memory, bytes->size);
    free(memory);
}

/* The context of another pair, which is dropped. */
static int take_pair(const struct runtime_tls *tls, struct slice chain, struct slice key,
                     struct tls_context **ret_context, struct error *e)
{
    struct runtime_tls now = *tls;
    now.certificate_chain = chain;
    now.private_key = key;
    int r = tls_context_new_server(&now, ret_context, e);
    slice_drop(&chain, false);
    slice_drop(&key, true);
    return r;
}

static int load(const struct runtime_tls *tls, struct tls_context **ret_context, struct error *e)
{
    struct slice chain = {0}, key = {0};
    int r = renewal_read(tls->certificate_file, &chain, e);
    if (r == 0)
        r = renewal_read(tls->key_file, &key, e);
    if (r == 0)
        return take_pair(tls, chain, key, ret_context, e);
    slice_drop(&chain, false);
    return r;
}

static int files_check(struct renewal *renewal, const struct runtime_tls *tls,
                       struct tls_context **ret_context, struct error *e)
{
    struct renewal_stamp certificate, key;
    int r = stamp_of(tls->certificate_file, &certificate);
    if (r == 0)
        r = stamp_of(tls->key_file, &key);
    if (r < 0)
        return error_set(e, r, "'%s' or its key has gone", tls->certificate_file);
    if (is_same(&certificate, &renewal->certificate) && is_same(&key, &renewal->key))
        return 0;
    r = load(tls, ret_context, e);
    if (r == 0 || r == -EACCES || r == -EPERM) { /* who may not read them will not in a second */
        renewal->certificate = certificate;
        renewal->key = key;
    }
    return r < 0 ? r : 1;
}

/* Asks for another certificate in time. Others wait for their connections meanwhile: it is once in twenty
 * days, and while nobody answers once in ASK_AGAIN_NS. */
static int ask(struct renewal *renewal, const struct runtime_tls *tls,
               struct tls_context **ret_context, struct error *e)
{
    int64_t now = host_realtime_ns() / 1000000000;
    struct slice chain = {0}, key = {0};
    if (renewal->renew_at_s == 0)
        renewal->renew_at_s = tls_certificate_renewal(tls->certificate_chain);
    if (now < renewal->renew_at_s || net_now_ns() < renewal->ask_at_ns)
        return 0;
    renewal->ask_at_ns = net_now_ns() + ASK_AGAIN_NS;
    int r = tls->renew(&chain, &key, e);
    if (r < 0)
        return r;
    int64_t next = tls_certificate_renewal(chain);
    r = take_pair(tls, chain, key, ret_context, e);
    if (r < 0)
        return r;
    renewal->renew_at_s = next;
    return 1;
}

int renewal_check(struct renewal *renewal, const struct runtime_tls *tls,
                  struct tls_context **ret_context, struct error *e)
{
    int64_t now = net_now_ns();
    bool files = tls->certificate_file && tls->key_file;
    if ((!files && !tls->renew) ||
        (renewal->checked_ns != 0 && now - renewal->checked_ns < CHECK_NS))
        return 0;
    renewal->checked_ns = now;
    return files ? files_check(renewal, tls, ret_context, e) : ask(renewal, tls, ret_context, e);
}
