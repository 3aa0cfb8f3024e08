/* SPDX-License-Identifier: Apache-2.0 */
#include "launcher/child.h"

#include "base/launch.h"
#include "base/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Handlers and masks of the launcher are none of the server's. */
static void signals_reset(void)
{
    static const int caught[] = {SIGPIPE, SIGTERM, SIGINT}; /* by loop_on_stop_signal() */
    sigset_t none;
    for (size_t i = 0; i < ARRAY_COUNT(caught); i++)
        (void)signal(caught[i], SIG_DFL);
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static int int_compare(const void *a, const void *b)
{
    const int *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Closes everything above standard error but what the job names. */
static int descriptors_close(const struct child_job *job)
{
    int kept[] = {2,           job->program_fd, job->volume_fd, job->handover_fd, job->status_fd,
                  job->line_fd};
    unsigned from = 0;
    qsort(kept, ARRAY_COUNT(kept), sizeof *kept, int_compare);
    for (size_t i = 0; i < ARRAY_COUNT(kept); i++) {
        if (kept[i] < 2)
            continue;
        if (i > 0 && (unsigned)kept[i] > from && close_range(from, (unsigned)kept[i] - 1, 0) < 0)
            return -errno;
        from = (unsigned)kept[i] + 1;
    }
    if (close_range(from, ~0U, 0) < 0)
        return -errno;
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0)
        return -errno;
    close(null_fd);
    return 0;
}

static int child_run(struct child_job *job, child_fn *run, struct error *e)
{
    char program[64], volume_dir[64];
    (void)setsid();
    signals_reset();
    int r = descriptors_close(job);
    if (r < 0)
        return error_set(e, r, "cannot close what the launcher had open");
    snprintf(program, sizeof program, "/proc/self/fd/%d", job->program_fd);
    snprintf(volume_dir, sizeof volume_dir, "/proc/self/fd/%d", job->volume_fd);
    job->program = program;
    job->volume_dir = volume_dir;
    job->sandbox.volume_fd = job->volume_fd;
    r = sandbox_enter(&job->sandbox, e);
    return r < 0 ? r : run(job, e);
}

void child_main(struct child_job *job, child_fn *run)
{
    struct error e = {0};
    uint8_t bytes[4 + ERROR_TEXT_SIZE];
    int r = child_run(job, run, &e);
    struct writer wr = writer_over(bytes, sizeof bytes);
    writer_u32(&wr, LAUNCH_CHILD_SAYS);
    writer_slice(&wr, slice_of_text(error_text(&e, r)));
    (void)send(job->line_fd, bytes, writer_size(&wr), MSG_NOSIGNAL);
    _exit(1);
}
