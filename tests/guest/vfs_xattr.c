/* SPDX-License-Identifier: Apache-2.0 */
/* Extended attributes: every call, sizes, namespaces, who may. */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "oracle.h"

static char g_value[70000], g_back[70000];

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list(const char *path)
{
    char names[4096], *sorted[64];
    ssize_t n = llistxattr(path, names, sizeof names);
    int count = 0;
    for (char *at = names; n > 0 && at < names + n && count < 64; at += strlen(at) + 1)
        sorted[count++] = at;
    qsort(sorted, (size_t)count, sizeof *sorted, by_text);
    printf("%s: %zd:", path, n);
    for (int i = 0; i < count; i++)
        printf(" %s", sorted[i]);
    printf("\n");
}

static void basics(const char *path)
{
    char name[300];
    T(listxattr(path, NULL, 0));
    T(setxattr(path, "user.a", "one", 3, 0));
    T(setxattr(path, "user.a", "two2", 4, XATTR_CREATE));
    T(setxattr(path, "user.b", "two2", 4, XATTR_REPLACE));
    T(setxattr(path, "user.a", "three", 5, XATTR_REPLACE));
    T(setxattr(path, "user.a", "x", 1, XATTR_CREATE | XATTR_REPLACE));
    T(setxattr(path, "user.a", "x", 1, 4));
    T(setxattr(path, "user.empty", "", 0, 0));
    T(setxattr(path, "user.null", NULL, 0, 0));
    T(setxattr(path, "user.null2", NULL, 5, 0));
    T(getxattr(path, "user.a", g_back, sizeof g_back));
    T(memcmp(g_back, "three", 5));
    T(getxattr(path, "user.a", g_back, 4));
    T(getxattr(path, "user.a", NULL, 0));
    T(getxattr(path, "user.a", NULL, 10));
    T(getxattr(path, "user.empty", g_back, 10));
    T(getxattr(path, "user.none", g_back, 10));
    T(getxattr(path, "", g_back, 10));
    T(getxattr(path, "user.", g_back, 10));
    T(setxattr(path, "user.", "x", 1, 0));
    T(getxattr(path, "user", g_back, 10));
    T(setxattr(path, "user", "x", 1, 0));
    T(setxattr(path, "other.a", "x", 1, 0));
    T(getxattr(path, "other.a", g_back, 10));
    T(removexattr(path, "other.a"));
    T(getxattr(path, NULL, g_back, 10));
    T(setxattr("none", "user.a", "x", 1, 0));
    T(getxattr("none", "user.a", g_back, 1));
    memset(name, 'n', sizeof name);
    memcpy(name, "user.", 5);
    name[255] = 0;
    T(setxattr(path, name, "long", 4, 0));
    T(getxattr(path, name, g_back, 10));
    T(removexattr(path, name));
    name[255] = 'n';
    name[256] = 0;
    T(setxattr(path, name, "long", 4, 0));
    T(getxattr(path, name, g_back, 10));
    list(path);
    T(listxattr(path, g_back, 5));
    T(listxattr(path, g_back, 100));
    T(listxattr(path, NULL, 0));
    T(removexattr(path, "user.null"));
    T(removexattr(path, "user.null"));
    T(removexattr(path, "user.empty"));
    list(path);
}

/* ext4 without large xattrs keeps one block; so sizes that both keep. */
static void sizes(void)
{
    memset(g_value, 'v', sizeof g_value);
    for (int i = 0; i < 3000; i++)
        g_value[i] = (char)(i * 7);
    T(setxattr("file", "user.large", g_value, 1000, 0));
    T(setxattr("file", "user.large", g_value, 3500, 0));
    T(getxattr("file", "user.large", g_back, sizeof g_back));
    T(memcmp(g_value, g_back, 3500));
    T(getxattr("file", "user.large", g_back, 3499));
    T(setxattr("file", "user.large", g_value, 2500, XATTR_REPLACE));
    T(getxattr("file", "user.large", g_back, sizeof g_back));
    T(memcmp(g_value, g_back, 2500));
    T(setxattr("file", "user.large", g_value, 10, 0));
    T(getxattr("file", "user.large", g_back, sizeof g_back));
    T(setxattr("file", "user.large", g_value, 3000, 0));
    T(removexattr("file", "user.large"));
    T(getxattr("file", "user.large", g_back, sizeof g_back));
    T(setxattr("file", "user.large", g_value, 65537, 0));
    T(getxattr("file", "user.large", g_back, sizeof g_back));
    list("file");
}

static void kinds(void)
{
    T(symlink("file", "link"));
    T(mknod("fifo", S_IFIFO | 0666, 0));
    T(mkdir("dir", 0755));
    T(setxattr("link", "user.through", "1", 1, 0));
    T(lsetxattr("link", "user.on", "1", 1, 0));
    T(lgetxattr("link", "user.through", g_back, 10));
    T(lgetxattr("link", "trusted.t", g_back, 10));
    T(lsetxattr("link", "trusted.t", "1", 1, 0));
    T(lgetxattr("link", "trusted.t", g_back, 10));
    T(llistxattr("link", g_back, 100));
    T(lremovexattr("link", "trusted.t"));
    T(lremovexattr("link", "user.on"));
    T(setxattr("fifo", "user.x", "1", 1, 0));
    T(getxattr("fifo", "user.x", g_back, 1));
    T(removexattr("fifo", "user.x"));
    T(setxattr("fifo", "trusted.x", "1", 1, 0));
    T(setxattr("dir", "user.d", "1", 1, 0));
    T(getxattr("dir", "user.d", g_back, 1));
    T(setxattr("file", "trusted.t", "tt", 2, 0));
    T(getxattr("file", "trusted.t", g_back, 9));
    T(setxattr("file", "trusted.", "tt", 2, 0));
    T(setxattr("file", "security.test", "ss", 2, 0));
    T(getxattr("file", "security.test", g_back, 9));
    list("file");
    list("dir");
    list("fifo");
    list("link");
    int fd = open("file", O_RDONLY);
    T(fsetxattr(fd, "user.fd", "fd", 2, 0));
    T(fgetxattr(fd, "user.fd", g_back, 10));
    T(flistxattr(fd, NULL, 0));
    T(fremovexattr(fd, "user.fd"));
    T(fremovexattr(fd, "user.fd"));
    T(unlink("file"));
    T(fsetxattr(fd, "user.gone", "fd", 2, 0));
    T(fgetxattr(fd, "user.gone", g_back, 10));
    close(fd);
    T(fgetxattr(fd, "user.gone", g_back, 10));
}

static void as_nobody(void)
{
    T(open("roots", O_CREAT | O_RDWR, 0644) >= 0);
    T(open("mine", O_CREAT | O_RDWR, 0600) >= 0);
    T(chown("mine", 12345, 12345));
    T(open("secret", O_CREAT | O_RDWR, 0600) >= 0);
    T(setxattr("roots", "user.r", "r", 1, 0));
    T(setxattr("roots", "trusted.r", "r", 1, 0));
    T(setxattr("roots", "security.r", "r", 1, 0));
    T(mkdir("sticky", 0777));
    T(chmod("sticky", 01777));
    if (fork() == 0) {
        T(setgid(12345));
        T(setuid(12345));
        T(getxattr("roots", "user.r", g_back, 9));
        T(setxattr("roots", "user.r", "n", 1, 0));
        T(removexattr("roots", "user.r"));
        T(getxattr("roots", "trusted.r", g_back, 9));
        T(setxattr("mine", "trusted.r", "n", 1, 0));
        T(getxattr("roots", "security.r", g_back, 9));
        T(setxattr("mine", "security.r", "n", 1, 0));
        T(removexattr("roots", "security.r"));
        T(removexattr("roots", "trusted.r"));
        T(setxattr("mine", "user.m", "m", 1, 0));
        T(getxattr("mine", "user.m", g_back, 9));
        T(getxattr("secret", "user.m", g_back, 9));
        T(setxattr("sticky", "user.m", "m", 1, 0));
        list("roots");
        list("mine");
        list("secret");
        _exit(0);
    }
    int status;
    T(wait(&status) > 0 && status == 0);
}

int main(int argc, char **argv)
{
    umask(022);
    T(chdir(argc == 2 ? argv[1] : "."));
    T(chmod(".", 0755));
    T(open("file", O_CREAT | O_RDWR, 0644) >= 0);
    T(mkdir("directory", 0755));
    basics("file");
    basics("directory");
    sizes();
    kinds();
    as_nobody();
    return 0;
}
