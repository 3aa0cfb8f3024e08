/* SPDX-License-Identifier: Apache-2.0 */
/* Unix sockets with a name on a volume: the name, its owner and mode are the volume's, the socket behind
 * it is a stand-in of the host's, so that connecting, waiting and polling are the kernel's. An address
 * that goes to the host becomes the stand-in's, one that comes from it what the program called it. */
#include "platform/host.h"
#include "runtime/confine/landlock.h"
#include "runtime/explain/explain.h"
#include "runtime/fd_table.h"
#include "runtime/guest.h"
#include "runtime/net/internal.h"
#include "runtime/net/sock.h"
#include "runtime/vfs/calls.h"
#include "runtime/vfs/handlers.h"
#include "runtime/vfs/permission.h"
#include "runtime/vfs/stand_in.h"
#include "runtime/vfs/volume_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#define STAND_IN_MODE 0666 /* the volume has judged already */
#define NAME_HEAD offsetof(struct sockaddr_un, sun_path)
#define MESSAGES_MAX 1024

/* --- where an address leads --- */

/* The path in a Unix socket's address. False: it has none that could be ours. */
static bool path_of_address(struct syscall_call *c, char path[SOCKET_NAME_SIZE])
{
    struct sockaddr_un address = {0};
    const size_t head = offsetof(struct sockaddr_un, sun_path);
    if (c->args[2] <= head || c->args[2] > sizeof address ||
        guest_read(&address, c->args[1], c->args[2]) < 0 || address.sun_family != AF_UNIX ||
        address.sun_path[0] == '\0')
        return false;
    size_t size = strnlen(address.sun_path, c->args[2] - head);
    memcpy(path, address.sun_path, size);
    path[size] = '\0';
    return true;
}

/* By the path's text alone: a link of the host's into a volume is not looked for, since asking about
 * every socket of the host would have the file rules refuse what the network rules allow. */
static bool may_be_on_volume(const char *path)
{
    const struct mount *mount = path[0] == '/' ? fs_mount_of(path, strlen(path)) : NULL;
    struct volume_file *cwd = path[0] == '/' ? NULL : fs_cwd();
    if (cwd)
        file_put(&cwd->file);
    return cwd || (mount && mount->kind == MOUNT_VOLUME);
}

/* A denied place has no sockets either. Where a policy names sockets, their path alone counts. */
static bool is_denied(struct path_job *job, const char *path)
{
    const struct mount *mount = path[0] == '/' ? fs_mount_of(path, strlen(path)) : NULL;
    struct place place;
    if (mount && mount->kind == MOUNT_DENIED)
        return fs_refuse(path, WISH_WRITE, mount) < 0;
    if (!g_fs.shadowing || g_fs.has_policy)
        return false;
    int r = path_find(job, path, true, &place);
    if (r >= 0)
        place_done(&place);
    return r == -EACCES;
}

/* The place that path is at, if it is on a volume: 1. 0: the host's. Or -errno. */
static int find_on_volume(struct syscall_call *c, unsigned flags, char path[SOCKET_NAME_SIZE],
                          struct place *place)
{
    struct path_job job = {.c = c, .dir_arg = NO_ARG, .path_arg = 1, .flags = flags};
    if (!path_of_address(c, path))
        return 0;
    if (is_denied(&job, path))
        return -EACCES;
    if (!g_stand_ins || !may_be_on_volume(path))
        return 0;
    int r = path_find(&job, path, true, place);
    if (r < 0)
        return r;
    if (place->kind == PLACE_VOLUME)
        return 1;
    place_done(place);
    return 0;
}

/* The host's address of the stand-in of that inode. */
static int stand_in_address(uint32_t volume, uint64_t ino, struct sockaddr_un *ret_address)
{
    char path[STAND_IN_PATH_MAX];
    int r = stand_in_path(path, 's', volume, ino, 0, NULL);
    size_t size = strlen(path);
    if (r < 0 || size >= sizeof ret_address->sun_path)
        return r < 0 ? r : -ENAMETOOLONG;
    *ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(ret_address->sun_path, path, size + 1);
    return 0;
}

/* The call at the host with its argument `at` and the next being that address. */
static int64_t pass_at(struct syscall_call *c, unsigned at, const struct sockaddr_un *address)
{
    struct syscall_call call = *c;
    call.args[at] = (unsigned long)address;
    call.args[at + 1] = sizeof *address;
    return sys_pass(&call);
}

static int64_t bind_at(struct syscall_call *c, const struct place *p,
                       const char text[SOCKET_NAME_SIZE])
{
    struct volume_attr dir;
    struct sockaddr_un address;
    if (p->ino != 0 || p->last != WALK_LAST_NAME)
        return -EADDRINUSE;
    int r = place_may_create(p, &dir);
    if (r == 0)
        r = landlock_check_parent(p, LANDLOCK_ACCESS_FS_MAKE_SOCK);
    if (r < 0)
        return r;
    struct request rq = {.op = REQUEST_MAKE,
                         .volume = p->volume,
                         .dir = p->dir,
                         .in = place_name(p),
                         .attr = attr_for_new(S_IFSOCK | 0777, &dir)};
    int64_t made = fs_request(&rq);
    if (made < 0)
        return made == -EEXIST ? -EADDRINUSE : made;
    int64_t bound = stand_in_address(p->volume, rq.ino, &address);
    if (bound == 0)
        bound = pass_at(c, 1, &address);
    if (bound == 0) {
        stand_in_name_socket(p->volume, rq.ino, text);
        (void)host_call(SYS_chmod, address.sun_path, STAND_IN_MODE);
        return 0;
    }
    struct request undo = {
        .op = REQUEST_UNLINK, .volume = p->volume, .dir = p->dir, .in = place_name(p)};
    (void)fs_request(&undo);
    return bound;
}

int64_t sys_bind_path(struct syscall_call *c)
{
    char text[SOCKET_NAME_SIZE];
    struct place place;
    int found = find_on_volume(c, PLACE_NAME, text, &place);
    if (found <= 0)
        return found < 0 ? found : sys_bind(c);
    int64_t r = bind_at(c, &place, text);
    place_done(&place);
    return r;
}

/* The host's address of a socket that somebody may write to. */
static int address_of(const struct place *p, struct sockaddr_un *ret_address)
{
    if (p->ino == 0)
        return -ENOENT;
    int r = permission_check(&p->attr, fs_creds(), PERMISSION_WRITE);
    if (r < 0)
        return r;
    if (!S_ISSOCK(p->attr.mode))
        return -ECONNREFUSED;
    return stand_in_address(p->volume, p->ino, ret_address);
}

/* Where a guest's address leads, if to a volume: 1 and the host's. 0: somewhere else. */
static int find_peer(struct syscall_call *c, unsigned long address, unsigned long size,
                     struct sockaddr_un *ret_address)
{
    char text[SOCKET_NAME_SIZE];
    struct place place;
    struct syscall_call call = {
        .nr = c->nr, .args = {c->args[0], address, size}, .thread = c->thread};
    int r = find_on_volume(&call, PLACE_FOLLOW, text, &place);
    if (r <= 0)
        return r;
    r = address_of(&place, ret_address);
    place_done(&place);
    return r < 0 ? r : 1;
}

/* A name from an earlier run: nobody is there. */
static int64_t refused(int64_t r)
{
    return r == -ENOENT ? -ECONNREFUSED : r;
}

int64_t sys_connect_path(struct syscall_call *c)
{
    struct sockaddr_un address;
    int found = find_peer(c, c->args[1], c->args[2], &address);
    if (found <= 0)
        return found < 0 ? found : sys_connect(c);
    return refused(pass_at(c, 1, &address));
}

/* --- names that come from the host --- */

struct name {
    struct sockaddr_storage address;
    socklen_t size;
};

static bool is_unix(int fd)
{
    int domain = 0;
    return !fd_is_hidden(fd) && sock_option(fd, SOL_SOCKET, SO_DOMAIN, &domain) == 0 &&
           domain == AF_UNIX;
}

/* Are there names to bring back, and is this a socket that could have one? */
static bool may_have_name(int fd)
{
    return g_stand_ins && atomic_load(&g_stand_ins->socket_count) > 0 && is_unix(fd);
}

/* A stand-in's name becomes what its socket was bound to; all others stay. -EPROTO: no such size was
 * possible. */
static int name_bring_back(struct name *name)
{
    char *bytes = (char *)&name->address, text[SOCKET_NAME_SIZE];
    uint32_t volume;
    uint64_t ino;
    if (name->size > sizeof name->address)
        return -EPROTO;
    bytes[sizeof name->address - 1] = '\0';
    if (name->size <= NAME_HEAD || name->address.ss_family != AF_UNIX ||
        !stand_in_socket_of(bytes + NAME_HEAD, &volume, &ino))
        return 0;
    stand_in_socket_name(volume, ino, text);
    size_t size = strlen(text) + 1;
    memcpy(bytes + NAME_HEAD, text, size);
    name->size = (socklen_t)(NAME_HEAD + size);
    return 0;
}

/* As the kernel does: as much as there is room for, and the true size. */
static int name_put(const struct name *name, unsigned long to, unsigned long size_at)
{
    int room;
    if (guest_get(&room, size_at) < 0)
        return -EFAULT;
    if (room < 0)
        return -EINVAL;
    if (guest_write(to, &name->address, MIN((size_t)room, (size_t)name->size)) < 0 ||
        guest_put(size_at, &name->size) < 0)
        return -EFAULT;
    return 0;
}

/* A call that gives a name at its argument `at` and the next, with memory of ours for it. */
static int64_t with_name(struct syscall_call *c, unsigned at, syscall_fn *handler,
                         struct name *ret_name)
{
    struct syscall_call call = *c;
    *ret_name = (struct name){.size = sizeof ret_name->address};
    call.args[at] = (unsigned long)&ret_name->address;
    call.args[at + 1] = (unsigned long)&ret_name->size;
    int64_t r = handler(&call);
    int back = r < 0 ? 0 : name_bring_back(ret_name);
    return back < 0 ? back : r;
}

static int64_t name_call(struct syscall_call *c, syscall_fn *handler)
{
    struct name name;
    if (fd_is_hidden((int)c->args[0]))
        return -EBADF;
    if (!may_have_name((int)c->args[0]))
        return handler(c);
    int64_t r = with_name(c, 1, handler, &name);
    return r < 0 ? r : name_put(&name, c->args[1], c->args[2]);
}

int64_t sys_getsockname_path(struct syscall_call *c)
{
    return name_call(c, sys_getsockname);
}

int64_t sys_getpeername_path(struct syscall_call *c)
{
    return name_call(c, sys_getpeername);
}

static int64_t accept_from(struct syscall_call *c, syscall_fn *handler)
{
    struct name name;
    int room;
    if (fd_is_hidden((int)c->args[0]))
        return -EBADF;
    if (!c->args[1] || !may_have_name((int)c->args[0]) || guest_get(&room, c->args[2]) < 0)
        return handler(c);
    int64_t fd = with_name(c, 1, handler, &name);
    int r = fd < 0 ? 0 : name_put(&name, c->args[1], c->args[2]);
    if (r < 0)
        host_close((int)fd);
    return r < 0 ? r : fd;
}

int64_t sys_accept_path(struct syscall_call *c)
{
    return accept_from(c, sys_accept);
}

int64_t sys_accept4_path(struct syscall_call *c)
{
    return accept_from(c, sys_accept4);
}

/* --- messages: only datagram sockets come here without a shield of their own --- */

int64_t sys_sendto_path(struct syscall_call *c)
{
    struct sockaddr_un address;
    int found = c->args[4] ? find_peer(c, c->args[4], c->args[5], &address) : 0;
    if (found <= 0)
        return found < 0 ? found : sys_sendto(c);
    return refused(pass_at(c, 4, &address));
}

int64_t sys_recvfrom_path(struct syscall_call *c)
{
    struct name name;
    if (!c->args[4] || !may_have_name((int)c->args[0]))
        return sys_recvfrom(c);
    int64_t n = with_name(c, 4, sys_recvfrom, &name);
    int r = n < 0 ? 0 : name_put(&name, c->args[4], c->args[5]);
    return r < 0 ? r : n;
}

int64_t sys_sendmsg_path(struct syscall_call *c)
{
    struct msghdr message;
    struct sockaddr_un address;
    struct syscall_call call = *c;
    if (fd_is_hidden((int)c->args[0]))
        return -EBADF;
    if (guest_get(&message, c->args[1]) < 0 || !message.msg_name)
        return sys_sendmsg(c);
    int r = find_peer(c, (unsigned long)message.msg_name, message.msg_namelen, &address);
    if (r <= 0)
        return r < 0 ? r : sys_sendmsg(c);
    r = adopt_check_sent((unsigned long)message.msg_control, message.msg_controllen);
    if (r < 0)
        return r;
    message.msg_name = &address;
    message.msg_namelen = sizeof address;
    call.args[1] = (unsigned long)&message;
    return refused(sys_pass(&call));
}

/* What the kernel writes back of a header. */
static int header_put(unsigned long at, const struct msghdr *message)
{
    return guest_put(at + offsetof(struct msghdr, msg_namelen), &message->msg_namelen) < 0 ||
                   guest_put(at + offsetof(struct msghdr, msg_controllen),
                             &message->msg_controllen) < 0 ||
                   guest_put(at + offsetof(struct msghdr, msg_flags), &message->msg_flags) < 0
               ? -EFAULT
               : 0;
}

int64_t sys_recvmsg_path(struct syscall_call *c)
{
    struct msghdr message;
    struct name name = {0};
    struct syscall_call call = *c;
    if (fd_is_hidden((int)c->args[0]))
        return -EBADF;
    if (!may_have_name((int)c->args[0]) || guest_get(&message, c->args[1]) < 0 ||
        !message.msg_name || (int)message.msg_namelen < 0)
        return sys_recvmsg(c);
    unsigned long to = (unsigned long)message.msg_name;
    socklen_t room = message.msg_namelen;
    message.msg_name = &name.address;
    message.msg_namelen = sizeof name.address;
    call.args[1] = (unsigned long)&message;
    int64_t n = sys_recvmsg(&call);
    name.size = message.msg_namelen;
    if (n < 0 || name_bring_back(&name) < 0)
        return n < 0 ? n : -EPROTO;
    message.msg_namelen = name.size;
    if (guest_write(to, &name.address, MIN(room, name.size)) < 0 ||
        header_put(c->args[1], &message) < 0)
        return -EFAULT;
    return n;
}

/* Several messages, one at a time. */
static int64_t each_message(struct syscall_call *c, syscall_fn *handler, bool receives)
{
    unsigned count = MIN((unsigned)c->args[2], (unsigned)MESSAGES_MAX), done = 0;
    unsigned long flags = c->args[3];
    int64_t r = 0;
    for (; done < count; done++) {
        unsigned long at = c->args[1] + done * sizeof(struct mmsghdr);
        struct syscall_call call = {
            .nr = receives ? SYS_recvmsg : SYS_sendmsg,
            .args = {c->args[0], at, flags & ~(unsigned long)MSG_WAITFORONE},
            .thread = c->thread};
        r = handler(&call);
        if (r < 0)
            break;
        unsigned size = (unsigned)r;
        if (guest_put(at + offsetof(struct mmsghdr, msg_len), &size) < 0)
            return -EFAULT;
        if (receives && (flags & MSG_WAITFORONE))
            flags |= MSG_DONTWAIT;
    }
    return done > 0 ? done : r;
}

int64_t sys_sendmmsg_path(struct syscall_call *c)
{
    bool named = g_stand_ins && is_unix((int)c->args[0]);
    return named ? each_message(c, sys_sendmsg_path, false) : sys_sendmmsg(c);
}

/* With a time limit the host collects them, and stand-ins keep their names. */
int64_t sys_recvmmsg_path(struct syscall_call *c)
{
    bool named = !c->args[4] && may_have_name((int)c->args[0]);
    return named ? each_message(c, sys_recvmsg_path, true) : sys_recvmmsg(c);
}
