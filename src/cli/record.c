/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the program under the runtime and listens until its last process has ended. */
#include "cli/record.h"

#include "cli/command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MESSAGE_SIZE_MAX = 8192, ENVIRONMENT_MAX = 64, EXIT_FAILED = 1, EXIT_SIGNAL = 128 };

/* What a program may need to know of its surroundings; the rest is this shell's own business, and
 * would stand in the policy for everybody to read. */
static const char *const kept_variables[] = {"PATH", "HOME", "USER",   "LOGNAME",
                                             "LANG", "TZ",   "LC_ALL", "LC_CTYPE"};

static volatile sig_atomic_t g_child;

static void pass_on(int number)
{
    if (g_child > 0)
        (void)kill(g_child, number);
}

static int environment_make(char **flags, char *ret[ENVIRONMENT_MAX + 2])
{
    size_t count = 0;
    for (size_t i = 0; i < sizeof kept_variables / sizeof kept_variables[0]; i++) {
        const char *value = getenv(kept_variables[i]);
        if (value && asprintf(&ret[count], "%s=%s", kept_variables[i], value) < 0)
            return -ENOMEM;
        count += value != NULL;
    }
    for (size_t i = 0; flags[i] && count < ENVIRONMENT_MAX; i++) {
        const char *text = NULL;
        if (strcmp(flags[i], "--env") == 0 && flags[i + 1])
            text = flags[++i];
        else if (strncmp(flags[i], "--env=", 6) == 0)
            text = flags[i] + 6;
        size_t name = text ? strcspn(text, "=") + 1 : 0, at = 0;
        while (text && at < count && strncmp(ret[at], text, name) != 0)
            at++;
        if (text && !(ret[at] = strdup(text)))
            return -ENOMEM;
        count += text && at == count;
    }
    ret[count] = NULL;
    return 0;
}

static void become_runtime(const char *runtime, int fd, char **flags, char **program, char **env)
{
    size_t flag_count = 0, word_count = 0, at = 0, env_count = 0;
    char number[16];
    while (flags[flag_count])
        flag_count++;
    while (program[word_count])
        word_count++;
    while (env[env_count])
        env_count++;
    /* The runtime's own place for keys; it is no variable of the program's policy. */
    const char *state = getenv("COFFER_STATE");
    if (state && asprintf(&env[env_count], "COFFER_STATE=%s", state) >= 0)
        env[env_count + 1] = NULL;
    char **words = calloc(flag_count + word_count + 5, sizeof *words);
    if (!words)
        _exit(EXIT_FAILED);
    (void)snprintf(number, sizeof number, "%d", fd);
    words[at++] = (char *)(uintptr_t)runtime;
    words[at++] = (char *)(uintptr_t) "--record-fd";
    words[at++] = number;
    memcpy(words + at, flags, flag_count * sizeof *words);
    at += flag_count;
    words[at++] = (char *)(uintptr_t) "--";
    memcpy(words + at, program, word_count * sizeof *words);
    (void)signal(SIGPIPE, SIG_DFL);
    execve(runtime, words, env);
    _exit(EXIT_FAILED);
}

/* Until every process that could tell something has ended. */
static int listen_to(int fd, struct record *record, struct error *e)
{
    uint8_t message[MESSAGE_SIZE_MAX];
    for (;;) {
        ssize_t n = recv(fd, message, sizeof message, 0);
        if (n == 0)
            return 0;
        if (n < 0 && errno == EINTR)
            continue;
        int r = n < 0 ? -errno : record_take(record, slice_of(message, (size_t)n));
        if (r < 0)
            return error_set(e, r, "cannot record (%s)", strerror(-r));
    }
}

static int exit_of(pid_t child)
{
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFSIGNALED(status) ? EXIT_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status);
}

static int policy_write(struct record *record, const char *file, struct error *e)
{
    FILE *out = fopen(file, "we");
    if (!out)
        return error_set(e, -errno, "cannot write '%s' (%s)", file, strerror(errno));
    int r = record_write(record, out, e);
    if (fclose(out) != 0 && r == 0)
        r = error_set(e, -EIO, "cannot write '%s'", file);
    return r;
}

static int record_with(const char *runtime, const char *file, int pair[2], struct record *record,
                       char **flags, char **program, char **env, struct error *e)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGQUIT};
    pid_t child = fork();
    if (child < 0)
        return error_set(e, -errno, "cannot fork");
    if (child == 0) {
        (void)fcntl(pair[1], F_SETFD, 0);
        become_runtime(runtime, pair[1], flags, program, env);
    }
    g_child = child;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct sigaction action = {.sa_handler = pass_on, .sa_flags = SA_RESTART};
        (void)sigaction(numbers[i], &action, NULL);
    }
    close(pair[1]);
    int r = listen_to(pair[0], record, e);
    close(pair[0]);
    int code = exit_of(child);
    if (r == 0 && record_program(record)) /* else it never ran, and has said why */
        r = policy_write(record, file, e);
    return r < 0 ? r : code;
}

int record_run(const char *runtime, const char *file, char **flags, char **program)
{
    struct error e = {0};
    char *env[ENVIRONMENT_MAX + 2] = {0}, directory[4096];
    struct record record = {.arguments = program, .flags = flags};
    int pair[2];
    record.directory = getcwd(directory, sizeof directory);
    int r = environment_make(flags, env);
    record.environment = env;
    size_t env_count = 0;
    while (env[env_count])
        env_count++;
    if (r == 0 && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        r = -errno;
    if (r == 0)
        r = record_with(runtime, file, pair, &record, flags, program, env, &e);
    record_done(&record);
    for (size_t i = 0; i < env_count; i++)
        free(env[i]);
    return r < 0 ? command_fail("run --record", &e, r) : r;
}
