/* SPDX-License-Identifier: Apache-2.0 */
/* What passes between the kernel and libfuse, for one feature that libfuse 3.14 does not know:
 * FUSE_HANDLE_KILLPRIV_V2 (include/uapi/linux/fuse.h). Without it the kernel asks for the attribute
 * security.capability before each write, one request more for each; with it, once per file, and in
 * return whoever serves takes set-id bits away where the kernel says so by a flag of the request. */
#include "mount/mount.h"

#include <linux/fuse.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/* What this thread works on: libfuse reads, serves and answers a request on one thread. */
static _Thread_local struct {
    uint32_t opcode;
    bool offers; /* FUSE_INIT: the kernel knows the feature */
    bool kill;
} t_request;

/* A field of the request's body, or 0 where it is too short for that. */
static uint32_t body_u32(const uint8_t *bytes, size_t size, size_t at)
{
    uint32_t value = 0;
    at += sizeof(struct fuse_in_header);
    if (at + sizeof value <= size)
        memcpy(&value, bytes + at, sizeof value);
    return value;
}

static void request_note(const uint8_t *bytes, size_t size)
{
    struct fuse_in_header head = {0};
    if (size >= sizeof head)
        memcpy(&head, bytes, sizeof head);
    uint32_t flags = 0, wanted = 0;
    switch (head.opcode) {
    case FUSE_WRITE:
        flags = body_u32(bytes, size, offsetof(struct fuse_write_in, write_flags));
        wanted = FUSE_WRITE_KILL_SUIDGID;
        break;
    case FUSE_SETATTR:
        flags = body_u32(bytes, size, offsetof(struct fuse_setattr_in, valid));
        wanted = FATTR_KILL_SUIDGID;
        break;
    case FUSE_OPEN:
        flags = body_u32(bytes, size, offsetof(struct fuse_open_in, open_flags));
        wanted = FUSE_OPEN_KILL_SUIDGID;
        break;
    default:
        break;
    }
    t_request.opcode = head.opcode;
    t_request.kill = flags & wanted;
    t_request.offers =
        head.opcode == FUSE_INIT &&
        (body_u32(bytes, size, offsetof(struct fuse_init_in, flags)) & FUSE_HANDLE_KILLPRIV_V2);
}

static ssize_t wire_read(int fd, void *bytes, size_t size, void *userdata)
{
    (void)userdata;
    ssize_t n = read(fd, bytes, size);
    if (n > 0)
        request_note(bytes, (size_t)n);
    return n;
}

/* The answer to FUSE_INIT says that we take the feature. */
static void greeting_amend(const struct mount *m, struct iovec *iov, int count)
{
    struct fuse_out_header head;
    struct fuse_init_out out;
    size_t need = offsetof(struct fuse_init_out, flags) + sizeof out.flags;
    if (count != 2 || iov[0].iov_len != sizeof head || iov[1].iov_len < need)
        return;
    memcpy(&head, iov[0].iov_base, sizeof head);
    if (head.error != 0 || m->read_only)
        return;
    memcpy(&out, iov[1].iov_base, need);
    out.flags |= FUSE_HANDLE_KILLPRIV_V2;
    memcpy(iov[1].iov_base, &out, need);
}

static ssize_t wire_writev(int fd, struct iovec *iov, int count, void *userdata)
{
    if (t_request.offers) {
        greeting_amend(userdata, iov, count);
        t_request.offers = false;
    }
    return writev(fd, iov, count);
}

int wire_attach(struct fuse_session *session)
{
    static const struct fuse_custom_io io = {.writev = wire_writev, .read = wire_read};
    return fuse_session_custom_io(session, &io, fuse_session_fd(session));
}

bool wire_kills_set_id(void)
{
    return t_request.kill;
}
