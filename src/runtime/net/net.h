/* SPDX-License-Identifier: Apache-2.0 */
/* net/net.h: the network shield, as the rest of the runtime meets it. The system calls themselves
 * are in syscall/table.def. */
#ifndef COFFER_RUNTIME_NET_NET_H
#define COFFER_RUNTIME_NET_NET_H

#include "base/buf.h"
#include "runtime/config.h"

/* Before the guest's first instruction; `config` must live as long as the process. Makes no TLS
 * context. 0, -EINVAL (rules that contradict each other, said in *e) or -ENOMEM. */
must_check int net_init(const struct runtime_config *config, struct error *e);

/* Before net_init(): whether Unix sockets may have names that only vfs/ knows, so that it must see who sends
 * to them. */
void net_see_names(bool may);

/* For a host exec of the runtime (a child of vfork): what of the shielded sockets lives on, appended
 * to `state`; the others are marked to be closed by the host. And back again, before net_init(),
 * after which `state` is no longer needed. 0, -ENOMEM or -EBADMSG. */
must_check int net_exec_save(struct buf *state);
/* Does any shielded socket stay open across it? */
bool net_exec_has_sockets(void);
must_check int net_exec_restore(struct slice state);

/* Right before the process ends: says close_notify on what is open and waits, for at most two
 * seconds, until what the guest wrote has left. */
void net_exit(void);
/* Is there anything that it closes? */
bool net_must_close(void);

#endif
