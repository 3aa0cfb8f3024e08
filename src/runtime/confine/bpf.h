/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/confine/bpf.h: the classic BPF programs that seccomp(2) takes, checked and run as Linux does
 * (net/core/filter.c: bpf_check_classic(), kernel/seccomp.c: seccomp_check_filter()).
 *
 * Hostile: the program, which is the guest's or a byte of the state over exec. What is checked only jumps
 * forward, reads only struct seccomp_data and cells it has written, and ends. No allocation when it runs.
 */
#ifndef COFFER_RUNTIME_CONFINE_BPF_H
#define COFFER_RUNTIME_CONFINE_BPF_H

#include "base/macros.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 0; -EINVAL as Linux would; -ENOMEM. */
must_check int bpf_check(const struct sock_filter *code, size_t count);

/* Of a checked program: the action and data that it returns (SECCOMP_RET_*). */
uint32_t bpf_run(const struct sock_filter *code, const struct seccomp_data *data);

/* Whether a checked program returns the same whatever arguments call `nr` of architecture `arch` has and
 * wherever it is made, and what. */
bool bpf_constant(const struct sock_filter *code, uint32_t arch, int nr, uint32_t *ret_action);

#endif
