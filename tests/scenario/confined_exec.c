/* SPDX-License-Identifier: Apache-2.0 */
/* What a program finds in its own memory, the runtime's included, that was executed by a child of
 * vfork(): confined_exec confined|free|again TEXT...
 *
 * Each TEXT is written backwards, so that this program's own copies are not found. `confined`: the child
 * has rules that allow libraries and this program, and a filter that refuses sockets. */
#include "own_memory.h"

#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

static void allow(int ruleset, const char *path)
{
    struct landlock_path_beneath_attr rule = {
        LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_EXECUTE, open(path, O_PATH | O_CLOEXEC)};
    (void)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    (void)close(rule.parent_fd);
}

static int confine(const char *self)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {4, code};
    const unsigned long long all = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof all, 0);
    allow(ruleset, "/usr/lib");
    allow(ruleset, "/etc/ld.so.cache");
    allow(ruleset, self);
    if (ruleset < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
        return -1;
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

static int occurs(const char *from, const char *to, const char *backwards)
{
    size_t size = strlen(backwards), i;
    for (const char *at = from; at + size <= to; at++) {
        for (i = 0; i < size && at[i] == backwards[size - 1 - i]; i++)
            ;
        if (i == size)
            return 1;
    }
    return 0;
}

static int look(int count, char **texts)
{
    static char maps[1 << 20];
    int pipes[2], found[8] = {0};
    uintptr_t from, to, gate = pipe(pipes) == 0 ? own_gate(pipes) : 0;
    if (gate == 0 || own_maps(gate, maps, sizeof maps) < 0)
        return 3;
    for (const char *line = maps; line && *line; line = strchr(line, '\n'), line += line != NULL) {
        char mode[5] = "";
        if (sscanf(line, "%lx-%lx %4s", &from, &to, mode) != 3 || mode[0] != 'r')
            continue;
        for (; from < to; from += OWN_PAGE) /* a text may cross into the next page: take both */
            if (own_is_there(pipes, from)) {
                uintptr_t end = from + OWN_PAGE;
                if (end < to && own_is_there(pipes, end))
                    end += 256;
                for (int i = 0; i < count && i < 8; i++)
                    found[i] |= occurs((const char *)from, (const char *)end, texts[i]);
            }
    }
    for (int i = 0; i < count && i < 8; i++)
        printf("%s\n", found[i] ? "found" : "gone");
    printf("%s\n", strstr(maps, "coffer-ring") ? "found" : "gone");
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    if (strcmp(argv[1], "again") == 0)
        return look(argc - 2, argv + 2);
    int is_confined = strcmp(argv[1], "confined") == 0, status = -1;
    argv[1] = (char[]){"again"};
    pid_t child = vfork();
    if (child == 0) {
        if (is_confined && confine(argv[0]) < 0)
            _exit(4);
        execv(argv[0], argv);
        _exit(5);
    }
    if (child < 0 || waitpid(child, &status, 0) < 0)
        return 6;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 7;
}
