/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a script of calls once for every lie that the host can tell about every call it makes, each
 * in a process of its own. The script copes if it returns 0: with success and true data, or with an
 * error. A crash, an end by the alarm, or memory written where a lie pointed is a failure. */
#ifndef COFFER_TESTS_HOSTILE_H
#define COFFER_TESTS_HOSTILE_H

#include "platform/liar/liar.h"
#include "runtime/syscall/call.h"
#include "tap.h"

/* The table alone: what the test does not link is weak here, and absent. */
#define CALL(nr_, name_, class_, fn_, shapes_, engines_, why_) syscall_fn fn_ __attribute__((weak));
#include "runtime/syscall/table.def"
#undef CALL
#include "runtime/syscall/shape.c" /* NOLINT(bugprone-suspicious-include) */
#include "runtime/syscall/table.c" /* NOLINT(bugprone-suspicious-include) */

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define HOSTILE_PATIENCE 60 /* seconds, for one lie */
#define HOSTILE_NTH_MAX 6

typedef int hostile_script(void);

struct hostile_seen {
    unsigned counts[LIAR_CALLS], lies[LIAR_CALLS];
};

static int hostile_child(hostile_script *script, long nr, unsigned nth, unsigned lie,
                         struct hostile_seen *ret_seen)
{
    pid_t child = fork();
    if (child == 0) {
        (void)alarm(HOSTILE_PATIENCE);
        platform_set(&platform_liar);
        liar_start(shape_of_call);
        liar_plan(nr, nth, lie);
        int r = script();
        for (long i = 0; ret_seen && i < LIAR_CALLS; i++) {
            ret_seen->counts[i] = liar_count(i);
            ret_seen->lies[i] = liar_lies_seen(i);
        }
        _exit(r != 0 ? 3 : liar_memory_is_whole() ? 0 : 4);
    }
    int status = -1;
    (void)waitpid(child, &status, 0);
    return status;
}

static void hostile_run(hostile_script *script)
{
    struct hostile_seen *seen =
        mmap(NULL, sizeof *seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    unsigned told = 0, bad = 0;
    CHECK(seen != MAP_FAILED);
    CHECK_EQ(hostile_child(script, -1, 0, 0, seen), 0);
    for (long nr = 0; nr < LIAR_CALLS; nr++)
        for (unsigned nth = 1; nth <= seen->counts[nr] && nth <= HOSTILE_NTH_MAX; nth++)
            for (unsigned lie = 0; lie < seen->lies[nr]; lie++) {
                unsigned which = nth == HOSTILE_NTH_MAX ? seen->counts[nr] : nth;
                int status = hostile_child(script, nr, which, lie, NULL);
                told++;
                bad += status != 0;
                if (status != 0)
                    printf("# %s, call %u, lie %u: status %#x\n", call_name(nr), which, lie,
                           (unsigned)status);
            }
    printf("# %u lies\n", told);
    CHECK(told > 100);
    CHECK_EQ(bad, 0u);
    (void)munmap(seen, sizeof *seen);
}

#endif
