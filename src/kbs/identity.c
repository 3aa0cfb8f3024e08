/* SPDX-License-Identifier: Apache-2.0 */
#include "kbs/identity.h"

#include "platform/linux/sim_device.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define SEAL_LABEL "coffer-kbs state"
#define EVIDENCE_FILE "/dev/coffer/evidence"

enum { EVIDENCE_SIZE_MAX = 32 << 10 };

static void fd_close(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static int not_here(const char *path, struct error *e)
{
    return error_set(e, -errno, "cannot open '%s': not under the runtime?", path);
}

int identity_runtime_here(struct error *e)
{
    return access(EVIDENCE_FILE, F_OK) < 0 ? not_here(EVIDENCE_FILE, e) : 0;
}

/* Writes a question into a file of the runtime's and reads the answer back. */
static int device_ask(const char *path, struct slice question, void *answer, size_t size,
                      size_t *ret_size, struct error *e)
{
    SCOPED(fd_close) int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return not_here(path, e);
    ssize_t n = write(fd, question.bytes, question.size);
    if (n >= 0 && (size_t)n != question.size)
        return error_set(e, -EIO, "'%s' did not take the question", path);
    if (n >= 0)
        n = pread(fd, answer, size, 0);
    if (n < 0)
        return error_set(e, -errno, "cannot ask '%s'", path);
    *ret_size = (size_t)n;
    return 0;
}

static int runtime_evidence(void *ctx, const uint8_t report_data[EVIDENCE_REPORT_DATA_SIZE],
                            struct buf *ret_evidence, struct error *e)
{
    size_t size = 0;
    uint8_t *to = buf_reserve(ret_evidence, EVIDENCE_SIZE_MAX);
    (void)ctx;
    if (!to)
        return error_set(e, -ENOMEM, "no memory for evidence");
    int r = device_ask(EVIDENCE_FILE, slice_of(report_data, EVIDENCE_REPORT_DATA_SIZE), to,
                       EVIDENCE_SIZE_MAX, &size, e);
    if (r == 0)
        ret_evidence->size += size;
    return r;
}

static int native_evidence(void *ctx, const uint8_t report_data[EVIDENCE_REPORT_DATA_SIZE],
                           struct buf *ret_evidence, struct error *e)
{
    (void)ctx;
    return sim_device_evidence(report_data, ret_evidence, e);
}

static int self_verify(struct identity *identity, const uint8_t manifest_hash[32], struct error *e)
{
    static const uint8_t nothing[EVIDENCE_REPORT_DATA_SIZE];
    SCOPED(buf_done) struct buf record = {0};
    int r = identity->evidence(identity->ctx, nothing, &record, e);
    if (r < 0)
        return r;
    r = evidence_verify(buf_slice(&record), &identity->self);
    if (r < 0)
        return error_set(e, r, "our own evidence does not verify");
    if (memcmp(identity->self.config, manifest_hash, sizeof identity->self.config) != 0)
        return error_set(e, -EKEYREJECTED,
                         "our evidence names another manifest than the one given with --bootstrap: "
                         "start the runtime with --manifest and the same file");
    return 0;
}

int identity_from_runtime(const uint8_t manifest_hash[32], struct identity *ret, struct error *e)
{
    size_t size = 0;
    *ret = (struct identity){.evidence = runtime_evidence};
    int r = self_verify(ret, manifest_hash, e);
    if (r == 0)
        r = device_ask("/dev/coffer/seal-key", slice_of_text(SEAL_LABEL), ret->seal_key.bytes,
                       sizeof ret->seal_key.bytes, &size, e);
    if (r == 0 && size != sizeof ret->seal_key.bytes)
        r = error_set(e, -EIO, "the runtime's sealing key has a wrong size");
    return r;
}

int identity_native(const char *device, const uint8_t manifest_hash[32], bool seal_to_signer,
                    struct identity *ret, struct error *e)
{
    struct sim_identity id = {.debug = true, .insecure__seal_to_signer = seal_to_signer};
    *ret = (struct identity){.evidence = native_evidence};
    memcpy(id.config, manifest_hash, sizeof id.config);
    int r = sim_device_measure("/proc/self/exe", id.program, e);
    if (r == 0)
        r = sim_device_set(device, &id, e);
    if (r == 0)
        r = self_verify(ret, manifest_hash, e);
    if (r == 0)
        r = sim_device_seal_key(slice_of_text(SEAL_LABEL), &ret->seal_key, e);
    return r;
}

void identity_done(struct identity *identity)
{
    key256_wipe(&identity->seal_key);
}
