/* SPDX-License-Identifier: Apache-2.0 */
/* base/launch.h: start commands from the agent to the launcher, and what comes back.
 *
 * A SOCK_SEQPACKET connection to the launcher's Unix socket (mode 0600); one packet per message;
 * little-endian; read with base/reader.h. Strings are u16 length and bytes without NUL. The launcher
 * trusts nothing in them: it hashes the program itself, and the key broker decides what the evidence
 * is good for. It serves one agent at a time; a new connection replaces the old one.
 *
 *   START   u32 type, u64 request, string tenant, string policy, string program, string volume_dir
 *           with two descriptors as SCM_RIGHTS: the hand-over socket and the status page.
 *           While an earlier server of that tenant lives, the start waits for its end
 *   KILL    u32 type, i32 pid: SIGKILL, if that is a child that was not waited for yet
 *   STARTED u32 type, u64 request, i32 pid
 *   REFUSED u32 type, u64 request, i32 error, string text
 *   EXITED  u32 type, i32 pid, i32 wait_status, string text: the last line it said, if it failed */
#ifndef COFFER_BASE_LAUNCH_H
#define COFFER_BASE_LAUNCH_H

#define LAUNCH_MESSAGE_SIZE_MAX 4096
#define LAUNCH_TEXT_SIZE 256

enum launch_type {
    LAUNCH_START = 1,
    LAUNCH_STARTED = 2,
    LAUNCH_REFUSED = 3,
    LAUNCH_EXITED = 4,
    LAUNCH_KILL = 5,
};

#endif
