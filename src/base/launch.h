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
 *   EXITED  u32 type, i32 pid, i32 wait_status, string text: why it could not run, if it said so
 *
 * A second SOCK_SEQPACKET pair, the line, joins each server with the launcher, which measured what
 * it started and signs its evidence: the server can neither reach the device nor choose its
 * identity. One packet per message: u32 type, then bytes to its end. */
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

#define LAUNCH_REPORT_DATA_SIZE 64
#define LAUNCH_EVIDENCE_SIZE_MAX 16384

enum launch_line_type {
    LAUNCH_CHILD_WANTS_EVIDENCE = 1, /* server to launcher: report data */
    LAUNCH_CHILD_SAYS = 2,           /* server to launcher: text: why it cannot run */
    LAUNCH_CHILD_EVIDENCE = 3,       /* launcher to server: the evidence */
    LAUNCH_CHILD_NO_EVIDENCE = 4,    /* launcher to server: text: why not */
};

#endif
