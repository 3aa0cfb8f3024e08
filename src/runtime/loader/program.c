/* SPDX-License-Identifier: Apache-2.0 */
/* Finding a program: scripts, interpreters, arguments. */
#include "platform/host.h"
#include "runtime/loader/load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#define SCRIPT_LINE_SIZE 256
#define SCRIPT_DEPTH_MAX 5

int strings_add(struct strings *s, const char *text, size_t at)
{
    size_t size = strlen(text) + 1;
    if (size > PROGRAM_STRINGS_MAX - s->size || s->count > PROGRAM_STRINGS_MAX / 8)
        return -E2BIG;
    if (s->count + 1 >= s->capacity) {
        size_t capacity = MAX(s->capacity * 2, (size_t)32);
        char **items = realloc(s->items, capacity * sizeof(*items));
        if (!items)
            return -ENOMEM;
        s->items = items;
        s->capacity = capacity;
    }
    char *copy = malloc(size);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, text, size);
    at = MIN(at, s->count);
    memmove(s->items + at + 1, s->items + at, (s->count - at) * sizeof(*s->items));
    s->items[at] = copy;
    s->items[++s->count] = NULL;
    s->size += size;
    return 0;
}

void strings_done(struct strings *s)
{
    for (size_t i = 0; i < s->count; i++)
        free(s->items[i]);
    free(s->items);
    *s = (struct strings){0};
}

void program_free(struct program *program)
{
    if (!program)
        return;
    strings_done(&program->argv);
    strings_done(&program->envp);
    image_done(&program->image);
    image_done(&program->interpreter_image);
    free(program);
}

static int replace_first(struct strings *argv, const char *text)
{
    if (argv->count == 0)
        return strings_add(argv, text, 0);
    char *copy = strdup(text);
    if (!copy)
        return -ENOMEM;
    free(argv->items[0]);
    argv->items[0] = copy;
    return 0;
}

/* `line` is what follows "#!". The script's own path becomes the interpreter's last argument. */
static int script_arguments(char *line, const char *script, struct strings *argv,
                            char ret_path[PROGRAM_PATH_SIZE])
{
    line += strspn(line, " \t");
    char *end = line + strcspn(line, "\n");
    while (end > line && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *end = '\0';
    if (!*line)
        return -ENOEXEC;
    size_t len = strcspn(line, " \t");
    char *argument = line + len;
    argument += strspn(argument, " \t");
    if (len >= PROGRAM_PATH_SIZE)
        return -ENOEXEC;
    int r = replace_first(argv, script);
    if (r == 0 && *argument)
        r = strings_add(argv, argument, 0);
    line[len] = '\0';
    if (r == 0)
        r = strings_add(argv, line, 0);
    memcpy(ret_path, line, len + 1);
    return r;
}

/* The host knows the path of what it has opened; a shielded file is known by how it was asked for. */
static void resolve_executable(struct program *p, const char *path)
{
    char link[32];
    long n = 0;
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", p->image.fd);
    if (p->image.fd >= 0)
        n = host_call(SYS_readlink, link, p->executable, sizeof(p->executable) - 1);
    if (n > 0 && (size_t)n < sizeof(p->executable) && p->executable[0] == '/')
        p->executable[n] = '\0';
    else
        (void)snprintf(p->executable, sizeof(p->executable), "%s", path);
}

/* Opens `path`; for a script goes on with its interpreter. */
static int open_through_scripts(struct program *p, const char *path, int fd)
{
    char next[PROGRAM_PATH_SIZE];
    for (int depth = 0; depth <= SCRIPT_DEPTH_MAX; depth++) {
        char line[SCRIPT_LINE_SIZE + 1] = {0};
        int r = image_open(path, depth == 0 ? fd : -1, &p->image);
        if (r < 0)
            return r;
        ssize_t n = image_read_some(&p->image, 0, line, SCRIPT_LINE_SIZE);
        if (n < 0)
            return (int)n;
        if (n < 2 || line[0] != '#' || line[1] != '!') {
            resolve_executable(p, path);
            return 0;
        }
        char script[PROGRAM_PATH_SIZE];
        (void)memccpy(script, path, '\0', sizeof(script));
        script[sizeof(script) - 1] = '\0';
        r = script_arguments(line + 2, script, &p->argv, next);
        if (r < 0)
            return r;
        image_done(&p->image);
        path = next;
    }
    return -ELOOP;
}

static int open_interpreter(struct program *p)
{
    if (!p->elf.interpreter[0])
        return 0;
    int r = image_open(p->elf.interpreter, -1, &p->interpreter_image);
    if (r == 0)
        r = elf_parse(image_read, &p->interpreter_image, p->interpreter_image.size,
                      &p->interpreter);
    return r == -ENOEXEC ? -ELIBBAD : r;
}

int program_open(const char *path, int fd, struct strings *argv, struct strings *envp,
                 struct program **ret_program)
{
    struct program *p = calloc(1, sizeof(*p));
    if (!p) {
        strings_done(argv);
        strings_done(envp);
        return -ENOMEM;
    }
    p->argv = *argv;
    p->envp = *envp;
    *argv = (struct strings){0};
    *envp = (struct strings){0};
    p->image.fd = p->interpreter_image.fd = -1;
    int r = strlen(path) < sizeof(p->path) ? 0 : -ENAMETOOLONG;
    if (r == 0) {
        memcpy(p->path, path, strlen(path) + 1);
        r = p->argv.count > 0 ? 0 : strings_add(&p->argv, "", 0);
    }
    if (r == 0)
        r = open_through_scripts(p, p->path, fd);
    if (r == 0)
        r = elf_parse(image_read, &p->image, p->image.size, &p->elf);
    if (r == 0)
        r = open_interpreter(p);
    if (r < 0) {
        program_free(p);
        return r;
    }
    *ret_program = p;
    return 0;
}
