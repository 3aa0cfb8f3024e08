/* SPDX-License-Identifier: Apache-2.0 */
/* Finding a program: scripts, interpreters, arguments. */
#include "platform/host.h"
#include "runtime/loader/load.h"
#include "runtime/vfs/vfs.h"

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
    free(program->first);
    free(program);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The first blank or end of text in [at, end], or NULL. */
static char *find_terminator(char *at, const char *end)
{
    for (; at <= end; at++)
        if (is_blank(*at) || *at == '\0')
            return at;
    return NULL;
}

static char *skip_blanks(char *at, const char *end)
{
    while (at < end && is_blank(*at))
        at++;
    return at < end ? at : NULL;
}

/* Cuts the line "#! interpreter argument", of which `buffer` holds SCRIPT_LINE_SIZE bytes with zeroes
 * behind a shorter file, as the kernel does (fs/binfmt_script.c): *ret_argument may be NULL. */
static int script_cut(char *buffer, char **ret_interpreter, char **ret_argument)
{
    char *last = buffer + SCRIPT_LINE_SIZE - 1,
         *end = memchr(buffer, '\n', strnlen(buffer, SCRIPT_LINE_SIZE));
    if (!end) {
        char *name = skip_blanks(buffer + 2, last + 1);
        if (!name || !find_terminator(name, last)) /* there is more of it than was read */
            return -ENOEXEC;
        end = last;
    }
    while (is_blank(end[-1]))
        end--;
    char *name = skip_blanks(buffer + 2, end);
    if (!name)
        return -ENOEXEC;
    *end = '\0';
    char *gap = find_terminator(name, end);
    *ret_argument = gap && *gap ? skip_blanks(gap, end) : NULL;
    if (gap)
        *gap = '\0';
    *ret_interpreter = name;
    return *name ? 0 : -ENOEXEC;
}

/* The script's own path takes the place of the first argument, behind the interpreter's. */
static int script_arguments(struct program *p, const char *script, const char *interpreter,
                            const char *argument)
{
    char *path = strdup(script);
    if (!path)
        return -ENOMEM;
    char *first = p->argv.items[0];
    p->argv.size = p->argv.size - strlen(first) + strlen(path);
    p->argv.items[0] = path;
    if (p->first)
        free(first);
    else
        p->first = first;
    int r = argument ? strings_add(&p->argv, argument, 0) : 0;
    if (r == 0)
        r = strings_add(&p->argv, interpreter, 0);
    p->inserted += argument ? 2 : 1;
    return r;
}

/* The host knows the path of what it has opened, a volume where its file lies; any other file is known
 * by how it was asked for. */
static void resolve_executable(struct program *p, const char *path)
{
    char link[32];
    long n = 0;
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", p->image.fd);
    if (p->image.fd >= 0)
        n = host_call(SYS_readlink, link, p->executable, sizeof(p->executable) - 1);
    else
        n = vfs_program_path(p->image.file, p->executable, sizeof(p->executable) - 1);
    if (n > 0 && (size_t)n < sizeof(p->executable) && p->executable[0] == '/')
        p->executable[n] = '\0';
    else
        (void)snprintf(p->executable, sizeof(p->executable), "%s", path);
}

/* The image is open; for a script goes on with its interpreter. */
static int follow_scripts(struct program *p)
{
    char path[PROGRAM_PATH_SIZE];
    (void)snprintf(path, sizeof(path), "%s", p->path);
    for (int depth = 0; depth <= SCRIPT_DEPTH_MAX; depth++) {
        char line[SCRIPT_LINE_SIZE + 1] = {0}, *interpreter, *argument;
        ssize_t n = image_read_some(&p->image, 0, line, SCRIPT_LINE_SIZE);
        if (n < 0)
            return (int)n;
        if (n < 2 || line[0] != '#' || line[1] != '!') {
            resolve_executable(p, path);
            return 0;
        }
        int r = script_cut(line, &interpreter, &argument);
        if (r == 0 && p->unreachable)
            r = -ENOENT;
        if (r == 0)
            r = script_arguments(p, path, interpreter, argument);
        if (r < 0)
            return r;
        image_done(&p->image);
        (void)snprintf(path, sizeof(path), "%s", interpreter);
        r = image_open(&(struct image_place){.path = path, .fd = -1}, &p->image);
        if (r == 0)
            r = image_check_writers(&p->image);
        if (r < 0)
            return r;
    }
    return -ELOOP;
}

static int open_interpreter(struct program *p)
{
    if (!p->elf.interpreter[0])
        return 0;
    const struct image_place place = {.path = p->elf.interpreter, .fd = -1};
    int r = image_open(&place, &p->interpreter_image);
    if (r == 0)
        r = elf_parse(image_read, &p->interpreter_image, p->interpreter_image.size,
                      &p->interpreter);
    return r == -ENOEXEC ? -ELIBBAD : r;
}

int program_find(const struct image_place *place, struct program **ret_program)
{
    if (strlen(place->path) >= PROGRAM_PATH_SIZE)
        return -ENAMETOOLONG;
    struct program *p = calloc(1, sizeof(*p));
    if (!p)
        return -ENOMEM;
    p->image.fd = p->interpreter_image.fd = -1;
    p->unnamed = place->fd >= 0 && !place->rest;
    memcpy(p->path, place->path, strlen(place->path) + 1);
    int r = image_open(place, &p->image);
    if (r == 0)
        r = image_check_writers(&p->image);
    if (r < 0) {
        program_free(p);
        return r;
    }
    *ret_program = p;
    return 0;
}

int program_complete(struct program *p, struct strings *argv, struct strings *envp)
{
    p->argv = *argv;
    p->envp = *envp;
    *argv = (struct strings){0};
    *envp = (struct strings){0};
    int r = p->argv.count > 0 ? 0 : strings_add(&p->argv, "", 0);
    if (r == 0)
        r = follow_scripts(p);
    if (r == 0)
        r = elf_parse(image_read, &p->image, p->image.size, &p->elf);
    return r < 0 ? r : open_interpreter(p);
}
