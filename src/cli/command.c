/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/command.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TENANT_NAME_MAX 40

static void help_print(const char *command, const char *usage, const struct option_row *rows,
                       size_t row_count)
{
    SCOPED(buf_done) struct buf out = {0};
    buf_printf(&out, "usage: coffer %s %s\n\n", command, usage);
    (void)options_help(rows, row_count, &out);
    const char *text = buf_text(&out);
    fputs(text ? text : "no memory\n", stdout);
}

int command_options(const char *command, const char *usage, const struct option_row *rows,
                    size_t row_count, int argc, char **argv, void *settings, int *ret_count)
{
    struct error e = {0};
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") != 0)
            continue;
        help_print(command, usage, rows, row_count);
        return 0;
    }
    int r = options_parse(rows, row_count, argc, argv, settings, ret_count, &e);
    if (r == 0)
        return -1;
    fprintf(stderr, "coffer %s: %s\n(coffer %s --help lists all flags)\n", command, e.text,
            command);
    return EXIT_USAGE;
}

int command_fail(const char *command, const struct error *e, int code)
{
    fprintf(stderr, "coffer %s: %s\n", command, error_text(e, code));
    return code == -EINVAL ? EXIT_USAGE : 1;
}

int command_sibling(const char *name, char *ret_path, size_t size, struct error *e)
{
    /* Installed: all in one directory. In a build tree: build/coffer, build/src/PART/coffer-part. */
    static const char *const folders[] = {
        "",         "src/runtime/", "src/kbs/", "src/gateway/", "src/launcher/",
        "src/dms/", "src/mount/",   "src/cli/"};
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0)
        return error_set(e, -ENOENT, "cannot find out where this program lies");
    self[n] = '\0';
    char *slash = strrchr(self, '/');
    slash[1] = '\0';
    for (size_t i = 0; i < ARRAY_COUNT(folders); i++) {
        int length = snprintf(ret_path, size, "%s%s%s", self, folders[i], name);
        if (length > 0 && (size_t)length < size && access(ret_path, X_OK) == 0)
            return 0;
    }
    return error_set(e, -ENOENT, "program %s is not beside this one in %s (is the build complete?)",
                     name, self);
}

int command_tenant_name(const char *name, struct error *e)
{
    size_t size = strlen(name);
    if (size > 0 && size <= TENANT_NAME_MAX && name[0] != '-' && name[size - 1] != '-' &&
        strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == size)
        return 0;
    return error_set(e, -EINVAL,
                     "'%s' cannot be a client's name: 1 to %d of a-z, 0-9 and inner hyphens", name,
                     TENANT_NAME_MAX);
}

static int state_choose(const char *option, char *path, size_t size)
{
    const char *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    int n;
    if (option)
        n = snprintf(path, size, "%s", option);
    else if (xdg && xdg[0] == '/')
        n = snprintf(path, size, "%s/coffer", xdg);
    else
        n = home && home[0] == '/' ? snprintf(path, size, "%s/.local/state/coffer", home) : 0;
    return n <= 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

int command_state(const char *option, char *ret_path, size_t size, struct error *e)
{
    char chosen[PATH_MAX], here[PATH_MAX];
    if (state_choose(option, chosen, sizeof chosen) < 0)
        return error_set(e, -EINVAL, "no state directory: give --state DIR or set HOME");
    if (chosen[0] == '/') {
        snprintf(ret_path, size, "%s", chosen);
        return 0;
    }
    if (!getcwd(here, sizeof here) || strlen(here) + strlen(chosen) + 2 > size)
        return error_set(e, -ENAMETOOLONG, "the path of the state directory is too long");
    snprintf(ret_path, size, "%s/%s", here, chosen);
    return 0;
}
