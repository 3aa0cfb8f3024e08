/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/explain/table.h"

#include "runtime/syscall/call.h"

static const char *refusal_of(syscall_fn *handler)
{
    if (handler == sys_deny_eperm)
        return "EPERM: ";
    if (handler == sys_deny_enosys)
        return "ENOSYS: ";
    if (handler == sys_deny_eopnotsupp)
        return "EOPNOTSUPP: ";
    return handler == sys_deny_einval ? "EINVAL: " : "";
}

void explain_table(FILE *out)
{
    (void)fputs(
        "pass: to the host as it is. fd, any: shielded where the descriptor, or any descriptor "
        "of the\nprocess, is. shield: the runtime's rules decide. emulate: the runtime "
        "answers. deny: refused.\nA call that is not here is refused with ENOSYS.\n\n",
        out);
    (void)fprintf(out, "%3s  %-24s %-8s %s\n", "nr", "call", "class", "why");
    for (long nr = 0; nr < CALL_NR_MAX; nr++) {
        if (!call_name(nr))
            continue;
        const char *why = call_why(nr), *refusal = refusal_of(call_table[nr].handler);
        (void)fprintf(out, "%3ld  %-24s %-8s %s%s\n", nr, call_name(nr),
                      call_class_name((enum call_class)call_table[nr].class), refusal,
                      why[0] || !refusal[0] ? why : "not offered");
    }
}
