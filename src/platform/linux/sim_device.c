/* SPDX-License-Identifier: Apache-2.0 */
/* The device file: "CFSD0001", 32 random bytes, and the first 8 bytes of their SHA-256 so that a
 * cut or mixed-up file is an error and not another device. It is written under a name of its own
 * and linked into place, so nobody ever reads half of it. */
#include "platform/linux/sim_device.h"

#include "base/writer.h"
#include "crypto/crypto.h"
#include "platform/linux/linux.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define DEVICE_MAGIC "CFSD0001"

enum {
    DEVICE_MAGIC_SIZE = 8,
    DEVICE_CHECK_SIZE = 8,
    DEVICE_FILE_SIZE = DEVICE_MAGIC_SIZE + KEY256_SIZE + DEVICE_CHECK_SIZE,
    DEVICE_KEY_TRIES = 8,
    MEASURE_CHUNK_SIZE = 64 << 10,
};

static struct {
    char path[PATH_MAX];
    struct sim_identity identity;
    bool set;
} g_device LARGE_TABLE;

/* Through the platform that was chosen; a program that chose none (the key broker natively) asks
 * Linux. Never libc's wrappers: system-call dispatch does not let them through. */
static long device_call(long nr, const long args[6])
{
    return platform() == &platform_null ? linux_call(nr, args) : platform()->call(nr, args);
}

static int device_random(void *bytes, size_t size)
{
    return platform() == &platform_null ? linux_random(bytes, size)
                                        : platform()->random(bytes, size);
}

static long call3(long nr, long a, long b, long c)
{
    return device_call(nr, (const long[6]){a, b, c});
}

static int open_at(const char *path, int flags, unsigned mode)
{
    return (int)device_call(SYS_openat, (const long[6]){AT_FDCWD, (long)path, flags, mode});
}

static void fd_close(const int *fd)
{
    if (*fd >= 0)
        call3(SYS_close, *fd, 0, 0);
}

static ssize_t read_at(int fd, void *bytes, size_t size, uint64_t offset)
{
    for (;;) {
        long n =
            device_call(SYS_pread64, (const long[6]){fd, (long)bytes, (long)size, (long)offset});
        if (n != -EINTR)
            return n > (long)size ? -EPROTO : n;
    }
}

int sim_device_set(const char *path, const struct sim_identity *identity, struct error *e)
{
    size_t size = strlen(path) + 1;
    if (size + 16 > sizeof g_device.path) /* a temporary name gets a suffix */
        return error_set(e, -EINVAL, "path of the simulated device is too long");
    memcpy(g_device.path, path, size);
    g_device.identity = *identity;
    g_device.set = true;
    return 0;
}

static int device_check(const uint8_t *root, uint8_t ret_check[DEVICE_CHECK_SIZE])
{
    uint8_t digest[SHA256_SIZE];
    int r = sha256(slice_of(root, KEY256_SIZE), digest);
    if (r == 0)
        memcpy(ret_check, digest, DEVICE_CHECK_SIZE);
    return r;
}

static void temporary_remove(const char *path)
{
    call3(SYS_unlink, (long)path, 0, 0);
}

static int temporary_write(const char *path, const uint8_t *bytes, size_t size)
{
    SCOPED(fd_close) int fd = open_at(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return fd;
    long n = call3(SYS_write, fd, (long)bytes, (long)size);
    if (n < 0)
        return (int)n;
    if (n != (long)size)
        return -ENOSPC;
    return (int)call3(SYS_fsync, fd, 0, 0);
}

/* Makes a new device; -EEXIST if another process has been faster, which is fine. */
static int device_create(const char *path)
{
    uint8_t file[DEVICE_FILE_SIZE], suffix[4];
    char temporary[PATH_MAX];
    struct writer wr = writer_over(file, sizeof file);
    int r = device_random(suffix, sizeof suffix);
    if (r < 0)
        return r;
    int len = snprintf(temporary, sizeof temporary, "%s.%02x%02x%02x%02x", path, suffix[0],
                       suffix[1], suffix[2], suffix[3]);
    if (len < 0 || (size_t)len >= sizeof temporary)
        return -ENAMETOOLONG;
    writer_bytes(&wr, DEVICE_MAGIC, DEVICE_MAGIC_SIZE);
    uint8_t *root = writer_take(&wr, KEY256_SIZE);
    uint8_t *check = writer_take(&wr, DEVICE_CHECK_SIZE);
    r = device_random(root, KEY256_SIZE);
    if (r == 0)
        r = device_check(root, check);
    if (r == 0)
        r = temporary_write(temporary, file, sizeof file);
    secret_wipe(file, sizeof file);
    if (r == 0)
        r = (int)call3(SYS_link, (long)temporary, (long)path, 0);
    temporary_remove(temporary);
    return r;
}

static int device_judge(int fd, const char *path, struct error *e)
{
    struct stat st;
    long r = call3(SYS_fstat, fd, (long)&st, 0);
    if (r < 0)
        return error_set(e, (int)r, "cannot examine the simulated device '%s'", path);
    if (!S_ISREG(st.st_mode) || (st.st_mode & 07177) != 0)
        return error_set(e, -EPERM,
                         "the simulated device '%s' must be a regular file of mode 0600, and its "
                         "mode is %04o: whoever reads it can forge evidence",
                         path, st.st_mode & 07777);
    if (st.st_uid != (uid_t)call3(SYS_geteuid, 0, 0, 0))
        return error_set(e, -EPERM, "the simulated device '%s' belongs to another user (uid %u)",
                         path, st.st_uid);
    return 0;
}

static int device_parse(const uint8_t *file, size_t size, struct key256 *ret_root)
{
    uint8_t check[DEVICE_CHECK_SIZE];
    if (size != DEVICE_FILE_SIZE || memcmp(file, DEVICE_MAGIC, DEVICE_MAGIC_SIZE) != 0)
        return -EBADMSG;
    const uint8_t *root = file + DEVICE_MAGIC_SIZE;
    int r = device_check(root, check);
    if (r < 0)
        return r;
    r = ct_verify(check, root + KEY256_SIZE, DEVICE_CHECK_SIZE);
    if (r == 0)
        memcpy(ret_root->bytes, root, KEY256_SIZE);
    return r;
}

/* The root secret; the caller wipes it. */
static int device_root(struct key256 *ret_root, struct error *e)
{
    const char *path = g_device.path;
    uint8_t file[DEVICE_FILE_SIZE + 1];
    if (!g_device.set)
        return error_set(e, -ENODEV, "no device file was set for the sim platform");
    int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
    SCOPED(fd_close) int fd = open_at(path, flags, 0);
    if (fd == -ENOENT) {
        int r = device_create(path);
        if (r < 0 && r != -EEXIST)
            return error_set(e, r, "cannot create the simulated device '%s'", path);
        fd = open_at(path, flags, 0);
    }
    if (fd < 0)
        return error_set(e, fd, "cannot open the simulated device '%s'", path);
    int r = device_judge(fd, path, e);
    if (r < 0)
        return r;
    ssize_t size = read_at(fd, file, sizeof file, 0);
    r = size < 0 ? (int)size : device_parse(file, (size_t)size, ret_root);
    secret_wipe(file, sizeof file);
    return r < 0 ? error_set(e, r, "the simulated device '%s' cannot be read or is damaged", path)
                 : 0;
}

int sim_device_seal_key(struct slice label, struct key256 *ret_key, struct error *e)
{
    const struct sim_identity *id = &g_device.identity;
    static const char purpose[] = "coffer sim seal key 1";
    SCOPED(key256_wipe) struct key256 root = {0};
    uint8_t binding[SHA256_SIZE];
    struct buf info = {0};
    int r = device_root(&root, e);
    if (r < 0)
        return r;
    const struct slice to_program[] = {slice_of_text("program"), slice_of(id->runtime, 32),
                                       slice_of(id->program, 32), slice_of(id->config, 32)};
    const struct slice to_signer[] = {slice_of_text("signer"), slice_of(id->signer, 32),
                                      slice_of(id->config, 32)};
    r = id->insecure__seal_to_signer ? sha256_parts(to_signer, ARRAY_COUNT(to_signer), binding)
                                     : sha256_parts(to_program, ARRAY_COUNT(to_program), binding);
    buf_append(&info, purpose, sizeof purpose);
    buf_append_slice(&info, label);
    if (r == 0 && info.failed)
        r = -ENOMEM;
    if (r == 0)
        r = hkdf_sha256(slice_of(root.bytes, sizeof root.bytes), slice_of(binding, sizeof binding),
                        buf_slice(&info), ret_key);
    buf_done(&info);
    return r < 0 ? error_set(e, r, "cannot derive a sealing key") : 0;
}

/* One scalar in 2^32 is no valid key; then the next one is taken. */
static int device_key(struct p256_key **ret_key, struct error *e)
{
    SCOPED(key256_wipe) struct key256 root = {0}, scalar = {0};
    int r = device_root(&root, e);
    if (r < 0)
        return r;
    for (int i = 0; i < DEVICE_KEY_TRIES; i++) {
        char info[] = "coffer sim device key 0";
        info[sizeof info - 2] = (char)('0' + i);
        r = hkdf_sha256(slice_of(root.bytes, sizeof root.bytes), (struct slice){0},
                        slice_of_text(info), &scalar);
        if (r == 0)
            r = p256_from_private(&scalar, ret_key);
        if (r == 0)
            return 0;
    }
    return error_set(e, r, "cannot derive the simulated device's signing key");
}

int sim_device_public(uint8_t ret_point[EVIDENCE_POINT_SIZE], struct error *e)
{
    SCOPED(p256_freep) struct p256_key *key = NULL;
    int r = device_key(&key, e);
    return r < 0 ? r : p256_public(key, ret_point);
}

static void record_write(struct writer *wr, const uint8_t report_data[REPORT_DATA_SIZE],
                         const uint8_t point[EVIDENCE_POINT_SIZE])
{
    const struct sim_identity *id = &g_device.identity;
    writer_bytes(wr, EVIDENCE_MAGIC, 4);
    writer_u16(wr, EVIDENCE_VERSION);
    writer_u16(wr, EVIDENCE_TEE_SIM);
    writer_u32(wr, EVIDENCE_RECORD_SIZE);
    writer_u32(wr, id->svn);
    writer_u32(wr, id->debug ? EVIDENCE_FLAG_DEBUG : 0);
    writer_u32(wr, 0);
    writer_bytes(wr, id->runtime, sizeof id->runtime);
    writer_bytes(wr, id->program, sizeof id->program);
    writer_bytes(wr, id->signer, sizeof id->signer);
    writer_bytes(wr, id->config, sizeof id->config);
    writer_bytes(wr, id->instance, sizeof id->instance);
    writer_bytes(wr, report_data, REPORT_DATA_SIZE);
    writer_zeros(wr, EVIDENCE_RESERVED_SIZE);
    writer_bytes(wr, point, EVIDENCE_POINT_SIZE);
}

int sim_device_evidence(const uint8_t report_data[REPORT_DATA_SIZE], struct buf *ret_evidence,
                        struct error *e)
{
    /* What is signed: the context first, so that no other signature of this key means evidence. */
    uint8_t bytes[sizeof EVIDENCE_SIGNED_CONTEXT - 1 + EVIDENCE_SIGNED_SIZE];
    uint8_t point[P256_PUBLIC_SIZE], signature[P256_SIGNATURE_SIZE];
    struct writer wr = writer_over(bytes, sizeof bytes);
    SCOPED(p256_freep) struct p256_key *key = NULL;
    int r = device_key(&key, e);
    if (r < 0)
        return r;
    r = p256_public(key, point);
    writer_bytes(&wr, EVIDENCE_SIGNED_CONTEXT, sizeof EVIDENCE_SIGNED_CONTEXT - 1);
    uint8_t *record = wr.at;
    record_write(&wr, report_data, point);
    if (r == 0)
        r = p256_sign(key, writer_done(&wr), signature);
    if (r < 0)
        return error_set(e, r, "cannot sign evidence");
    buf_append(ret_evidence, record, EVIDENCE_SIGNED_SIZE);
    buf_append(ret_evidence, signature, sizeof signature);
    return ret_evidence->failed ? error_set(e, -ENOMEM, "no memory for evidence") : 0;
}

int sim_device_measure_fd(int fd, uint8_t ret_digest[EVIDENCE_DIGEST_SIZE], struct error *e)
{
    LARGE_TABLE static uint8_t chunk[MEASURE_CHUNK_SIZE];
    struct sha256_stream *stream = NULL;
    int r = sha256_stream_new(&stream);
    uint64_t offset = 0;
    while (r == 0) {
        ssize_t n = read_at(fd, chunk, sizeof chunk, offset);
        if (n <= 0) {
            r = (int)n;
            break;
        }
        r = sha256_stream_add(stream, slice_of(chunk, (size_t)n));
        offset += (uint64_t)n;
    }
    if (r == 0)
        r = sha256_stream_finish(stream, ret_digest);
    sha256_stream_free(stream);
    return r < 0 ? error_set(e, r, "cannot measure a file") : 0;
}

int sim_device_measure(const char *path, uint8_t ret_digest[EVIDENCE_DIGEST_SIZE], struct error *e)
{
    SCOPED(fd_close) int fd = open_at(path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return error_set(e, fd, "cannot open '%s' to measure it", path);
    int r = sim_device_measure_fd(fd, ret_digest, e);
    return r < 0 ? error_prefix(e, r, "'%s'", path) : 0;
}
