/* SPDX-License-Identifier: Apache-2.0 */
/* Every row of the runtime's table that takes a path, on a directory that a rule denies and on its twin
 * that no rule names, spelled in each way: what works on the twin must not work on the denied one. Driven by
 * denied.py. An argument: the directory with top/secret (denied), top/open and links to both. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/call_shape.h"

enum call_class { PASS, FD, ANY, SHIELD, EMULATE, DENY };

static const struct row {
    const char *name, *shapes;
    int nr, class;
} rows[] = {
#define CALL(nr, name, class, handler, shapes, engines, why) {#name, shapes, nr, class},
#include "runtime/syscall/table.def"
#undef CALL
};

#define SPELLINGS 6

static const char *g_base;
static char g_bytes[8192];

static void spell(char *path, size_t size, int how, const char *dir, const char *name)
{
    if (how == 0)
        (void)snprintf(path, size, "%s/top/%s/%s", g_base, dir, name);
    else if (how == 1)
        (void)snprintf(path, size, "%s/link-%s/%s", g_base, dir, name);
    else if (how == 2)
        (void)snprintf(path, size, "%s/top/./%s/../%s//%s", g_base, dir, dir, name);
    else if (how == 3)
        (void)snprintf(path, size, "/proc/self/root%s/top/%s/%s", g_base, dir, name);
    else if (how == 4)
        (void)snprintf(path, size, "../top/%s/%s", dir, name);
    else /* with a descriptor of top where the call takes one; top is where we are */
        (void)snprintf(path, size, "%s/%s", dir, name);
}

static void twin_again(void)
{
    static const char *const names[] = {"f", "ln", "new"};
    (void)chdir(g_base);
    (void)chdir("top/open");
    for (int i = 0; i < 3; i++)
        (void)unlink(names[i]);
    (void)rmdir("new");
    (void)mkdir("sub", 0755);
    int fd = open("f", O_CREAT | O_RDWR | O_TRUNC, 0755);
    (void)!write(fd, "#!/bin/true\n", 12);
    (void)fsetxattr(fd, "user.a", "b", 1, 0);
    (void)close(fd);
    (void)!symlink("f", "ln");
    (void)chdir("..");
    (void)unlink("aside");
    fd = open("aside", O_CREAT | O_RDWR, 0600);
    (void)close(fd);
}

/* The name that makes the call succeed: of what is there, or of nothing yet. */
static const char *name_for(const char *call, int which)
{
    if (strncmp(call, "mk", 2) == 0 || strncmp(call, "symlink", 7) == 0 ||
        (which == 1 && (strncmp(call, "link", 4) == 0 || strncmp(call, "rename", 6) == 0)))
        return "new";
    if (strcmp(call, "rmdir") == 0 || strcmp(call, "chdir") == 0)
        return "sub";
    return strncmp(call, "readlink", 8) == 0 ? "ln" : "f";
}

/* The call in a process of its own, its `which`th path spelled so. Less than 0: it was refused. */
static int attempt(const struct row *row, const struct call_shape *shape, int which, int how,
                   const char *dir)
{
    int answer[2], value = 0, paths = 0;
    char path[4096];
    const char *beside = name_for(row->name, !which)[0] == 'n' ? "made" : "aside";
    spell(path, sizeof path, how, dir, name_for(row->name, which));
    twin_again();
    (void)unlink("made");
    if (pipe2(answer, O_CLOEXEC) < 0)
        return -1;
    pid_t child = fork();
    if (child == 0) {
        int top = open(".", O_RDONLY | O_DIRECTORY);
        long args[SHAPE_ARGS] = {0};
        char *words[] = {path, NULL};
        for (int i = 0; i < shape->count; i++) {
            const struct shape *s = &shape->args[i];
            if (s->kind == SHAPE_DIRFD)
                args[i] = how == 5 ? top : AT_FDCWD;
            else if (s->kind == SHAPE_PATH)
                args[i] = (long)(paths++ == which ? path : beside);
            else if (s->kind == SHAPE_STR)
                args[i] = (long)"user.a";
            else if (s->kind == SHAPE_FD)
                args[i] = inotify_init();
            else if (s->kind == SHAPE_SIZE)
                args[i] = strcmp(row->name, "openat2") == 0 ? 24 : 64;
            else if (s->kind == SHAPE_MODE)
                args[i] = strstr(row->name, "access")  ? R_OK
                          : strstr(row->name, "mknod") ? S_IFIFO | 0600
                                                       : 0700;
            else if (s->kind == SHAPE_FLAGS && strcmp(row->name, "inotify_add_watch") == 0)
                args[i] = IN_MODIFY;
            else if (s->kind == SHAPE_INT && strstr(row->name, "chown"))
                args[i] = -1;
            else if (s->kind == SHAPE_STRV)
                args[i] = (long)words;
            else if (s->kind > SHAPE_WORD)
                args[i] = (long)g_bytes;
        }
        value =
            syscall(row->nr, args[0], args[1], args[2], args[3], args[4], args[5]) < 0 ? -errno : 1;
        (void)!write(answer[1], &value, sizeof value);
        _exit(0);
    }
    (void)close(answer[1]);
    if (read(answer[0], &value, sizeof value) != sizeof value)
        value = 1; /* it became the program */
    (void)close(answer[0]);
    (void)waitpid(child, NULL, 0);
    return value;
}

int main(int argc, char **argv)
{
    int judged = 0;
    g_base = argc > 1 ? argv[1] : "/nowhere";
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct call_shape shape;
        int paths = 0;
        if (rows[i].class == DENY || shape_parse(rows[i].shapes, &shape) < 0)
            continue;
        for (int k = 0; k < shape.count; k++)
            paths += shape.args[k].kind == SHAPE_PATH;
        for (int which = 0; which < paths; which++)
            for (int how = 0; how < SPELLINGS; how++) {
                int twin = attempt(&rows[i], &shape, which, how, "open");
                int denied = attempt(&rows[i], &shape, which, how, "secret");
                if (twin < 0)
                    printf("not judged: %s %d %d %s\n", rows[i].name, which, how,
                           strerrorname_np(-twin));
                else if (denied >= 0)
                    printf("got in: %s %d %d\n", rows[i].name, which, how);
                judged += twin >= 0;
            }
    }
    printf("judged %d\n", judged);
    return 0;
}
