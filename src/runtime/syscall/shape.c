/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/syscall/shape.h"

#include "runtime/syscall/call.h"

#include <asm/prctl.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <linux/prctl.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <termios.h>

static const struct {
    uint16_t nr;
    uint32_t selector;
    char shapes[32];
} g_variants[] = {
#define VARIANT(name_, selector_, shapes_) {SYS_##name_, (uint32_t)(selector_), shapes_},
#include "runtime/syscall/variants.def"
#undef VARIANT
};

const char *shape_variant(long nr, uint32_t selector)
{
    for (size_t i = 0; i < ARRAY_COUNT(g_variants); i++)
        if (g_variants[i].nr == nr && g_variants[i].selector == selector)
            return g_variants[i].shapes;
    return NULL;
}

int shape_of_call(long nr, const unsigned long args[SHAPE_ARGS], struct call_shape *ret)
{
    const char *text = call_shapes(nr);
    struct call_shape selected = {.count = 0};
    int used = 0;
    if (!text || shape_parse(text, ret) < 0)
        return -ENOSYS;
    for (int i = 0; i < ret->count; i++) {
        const struct shape *s = &ret->args[i];
        if (s->kind != SHAPE_BY)
            continue;
        if (used == 0) {
            const char *variant = shape_variant(nr, (uint32_t)args[s->n] & s->mask);
            if (!variant || shape_parse_part(variant, &selected) < 0)
                return -EINVAL;
        }
        if (used == selected.count)
            return -EINVAL;
        ret->args[i] = selected.args[used++];
    }
    return shape_check(ret);
}
