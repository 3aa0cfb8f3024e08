/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/process/exec_image.h"
#include "platform/host.h"
#include "platform/linux/image.h"
#include "runtime/fd_table.h"

#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/syscall.h>

#define VFORKS_MIN 2

/* Only in coffer-runtime. */
__attribute__((weak)) bool image_is_ready(int fd);

static _Atomic int g_fd = -1;
static _Atomic unsigned g_vforks;
static _Atomic bool g_given; /* to a child that makes it */
static _Atomic bool g_ready;

void exec_image_prepare(void)
{
    if (!image_is_ready || atomic_load(&g_fd) >= 0 ||
        atomic_fetch_add(&g_vforks, 1) + 1 != VFORKS_MIN)
        return;
    fd_room_enter();
    int fd = (int)host_call(SYS_memfd_create, "coffer-image", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    fd_room_leave();
    fd = fd < 0 ? fd : fd_hide(fd);
    atomic_store(&g_fd, fd < 0 ? -1 : fd);
}

static enum exec_image_use use_now(int fd)
{
    if (fd < 0)
        return EXEC_IMAGE_NONE;
    if (atomic_load(&g_ready))
        return EXEC_IMAGE_BEGIN;
    if (!atomic_exchange(&g_given, true))
        return EXEC_IMAGE_MAKE;
    if (!image_is_ready(fd)) /* its maker is at work, or has failed for good */
        return EXEC_IMAGE_NONE;
    atomic_store(&g_ready, true);
    return EXEC_IMAGE_BEGIN;
}

enum exec_image_use exec_image_take(int *ret_fd)
{
    int fd = atomic_load(&g_fd);
    enum exec_image_use use = use_now(fd);
    if (use != EXEC_IMAGE_NONE && host_call(SYS_fcntl, fd, F_SETFD, 0) < 0)
        use = EXEC_IMAGE_NONE;
    *ret_fd = fd;
    return use;
}

void exec_image_release(enum exec_image_use use, int fd)
{
    if (use == EXEC_IMAGE_MAKE)
        atomic_store(&g_given, false);
    if (use != EXEC_IMAGE_NONE)
        (void)host_call(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC);
}

void exec_image_adopt(int fd)
{
    if (!image_is_ready || !image_is_ready(fd) || host_call(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC) < 0)
        return;
    atomic_store(&g_given, true);
    atomic_store(&g_ready, true);
    atomic_store(&g_fd, fd);
}
