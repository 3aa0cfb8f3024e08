/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/confine/bpf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LOAD_WORD (BPF_LD | BPF_W | BPF_ABS)
#define LOAD_SIZE (BPF_LD | BPF_W | BPF_LEN)
#define LOADX_SIZE (BPF_LDX | BPF_W | BPF_LEN)
#define DATA_SIZE ((uint32_t)sizeof(struct seccomp_data))

static bool is_conditional(uint16_t code)
{
    switch (code) {
    case BPF_JMP | BPF_JEQ | BPF_K:
    case BPF_JMP | BPF_JEQ | BPF_X:
    case BPF_JMP | BPF_JGE | BPF_K:
    case BPF_JMP | BPF_JGE | BPF_X:
    case BPF_JMP | BPF_JGT | BPF_K:
    case BPF_JMP | BPF_JGT | BPF_X:
    case BPF_JMP | BPF_JSET | BPF_K:
    case BPF_JMP | BPF_JSET | BPF_X:
        return true;
    default:
        return false;
    }
}

/* One instruction at `at` of `count`. */
static bool insn_valid(const struct sock_filter *i, size_t at, size_t count)
{
    switch (i->code) {
    case LOAD_WORD:
        return i->k < DATA_SIZE && i->k % 4 == 0;
    case BPF_ALU | BPF_DIV | BPF_K:
        return i->k != 0;
    case BPF_ALU | BPF_LSH | BPF_K:
    case BPF_ALU | BPF_RSH | BPF_K:
        return i->k < 32;
    case BPF_LD | BPF_MEM:
    case BPF_LDX | BPF_MEM:
    case BPF_ST:
    case BPF_STX:
        return i->k < BPF_MEMWORDS;
    case BPF_JMP | BPF_JA:
        return i->k < count - at - 1;
    case LOAD_SIZE:
    case LOADX_SIZE:
    case BPF_LD | BPF_IMM:
    case BPF_LDX | BPF_IMM:
    case BPF_MISC | BPF_TAX:
    case BPF_MISC | BPF_TXA:
    case BPF_RET | BPF_K:
    case BPF_RET | BPF_A:
    case BPF_ALU | BPF_ADD | BPF_K:
    case BPF_ALU | BPF_ADD | BPF_X:
    case BPF_ALU | BPF_SUB | BPF_K:
    case BPF_ALU | BPF_SUB | BPF_X:
    case BPF_ALU | BPF_MUL | BPF_K:
    case BPF_ALU | BPF_MUL | BPF_X:
    case BPF_ALU | BPF_DIV | BPF_X:
    case BPF_ALU | BPF_AND | BPF_K:
    case BPF_ALU | BPF_AND | BPF_X:
    case BPF_ALU | BPF_OR | BPF_K:
    case BPF_ALU | BPF_OR | BPF_X:
    case BPF_ALU | BPF_XOR | BPF_K:
    case BPF_ALU | BPF_XOR | BPF_X:
    case BPF_ALU | BPF_LSH | BPF_X:
    case BPF_ALU | BPF_RSH | BPF_X:
    case BPF_ALU | BPF_NEG:
        return true;
    default:
        return is_conditional(i->code) && at + i->jt + 1 < count && at + i->jf + 1 < count;
    }
}

/* No cell is read that was not written on every way to there. The instructions are valid. */
static int check_cells(const struct sock_filter *code, size_t count)
{
    uint16_t written = 0, *at = malloc(count * sizeof(*at));
    int r = 0;
    if (!at)
        return -ENOMEM;
    memset(at, 0xff, count * sizeof(*at));
    for (size_t pc = 0; r == 0 && pc < count; pc++) {
        const struct sock_filter *i = &code[pc];
        written &= at[pc];
        if (i->code == BPF_ST || i->code == BPF_STX) {
            written |= (uint16_t)(1u << i->k);
        } else if (i->code == (BPF_LD | BPF_MEM) || i->code == (BPF_LDX | BPF_MEM)) {
            r = written & (1u << i->k) ? 0 : -EINVAL;
        } else if (i->code == (BPF_JMP | BPF_JA)) {
            at[pc + 1 + i->k] &= written;
            written = UINT16_MAX;
        } else if (is_conditional(i->code)) {
            at[pc + 1 + i->jt] &= written;
            at[pc + 1 + i->jf] &= written;
            written = UINT16_MAX;
        }
    }
    free(at);
    return r;
}

int bpf_check(const struct sock_filter *code, size_t count)
{
    if (count == 0 || count > BPF_MAXINSNS)
        return -EINVAL;
    for (size_t at = 0; at < count; at++)
        if (!insn_valid(&code[at], at, count))
            return -EINVAL;
    uint16_t last = code[count - 1].code;
    if (last != (BPF_RET | BPF_K) && last != (BPF_RET | BPF_A))
        return -EINVAL;
    return check_cells(code, count);
}

struct machine {
    uint32_t a, x, cells[BPF_MEMWORDS];
};

static bool condition(const struct machine *m, const struct sock_filter *i)
{
    uint32_t with = BPF_SRC(i->code) == BPF_X ? m->x : i->k;
    switch (BPF_OP(i->code)) {
    case BPF_JEQ:
        return m->a == with;
    case BPF_JGE:
        return m->a >= with;
    case BPF_JGT:
        return m->a > with;
    default:
        return m->a & with;
    }
}

/* Division by X: the caller has seen to it that it is not 0. */
static uint32_t compute(const struct machine *m, const struct sock_filter *i)
{
    uint32_t with = BPF_SRC(i->code) == BPF_X ? m->x : i->k;
    switch (BPF_OP(i->code)) {
    case BPF_ADD:
        return m->a + with;
    case BPF_SUB:
        return m->a - with;
    case BPF_MUL:
        return m->a * with;
    case BPF_DIV:
        return m->a / with;
    case BPF_AND:
        return m->a & with;
    case BPF_OR:
        return m->a | with;
    case BPF_XOR:
        return m->a ^ with;
    case BPF_LSH:
        return m->a << (with & 31);
    case BPF_RSH:
        return m->a >> (with & 31);
    default:
        return -m->a;
    }
}

/* What moves between the registers and the cells. */
static void move(struct machine *m, const struct sock_filter *i)
{
    switch (i->code) {
    case BPF_LD | BPF_IMM:
        m->a = i->k;
        break;
    case BPF_LDX | BPF_IMM:
        m->x = i->k;
        break;
    case LOAD_SIZE:
        m->a = DATA_SIZE;
        break;
    case LOADX_SIZE:
        m->x = DATA_SIZE;
        break;
    case BPF_LD | BPF_MEM:
        m->a = m->cells[i->k];
        break;
    case BPF_LDX | BPF_MEM:
        m->x = m->cells[i->k];
        break;
    case BPF_ST:
        m->cells[i->k] = m->a;
        break;
    case BPF_STX:
        m->cells[i->k] = m->x;
        break;
    case BPF_MISC | BPF_TAX:
        m->x = m->a;
        break;
    default: /* BPF_MISC | BPF_TXA */
        m->a = m->x;
        break;
    }
}

/* Reads no word of the data at or behind `known`: then it is false. */
static bool run(const struct sock_filter *code, const struct seccomp_data *data, uint32_t known,
                uint32_t *ret_action)
{
    struct machine m = {0};
    for (const struct sock_filter *i = code;; i++) {
        if (i->code == LOAD_WORD) {
            if (i->k >= known)
                return false;
            memcpy(&m.a, (const char *)data + i->k, sizeof(m.a));
            continue;
        }
        switch (BPF_CLASS(i->code)) {
        case BPF_RET:
            *ret_action = i->code == (BPF_RET | BPF_A) ? m.a : i->k;
            return true;
        case BPF_JMP:
            i += BPF_OP(i->code) == BPF_JA ? i->k : condition(&m, i) ? i->jt : i->jf;
            break;
        case BPF_ALU:
            if (i->code == (BPF_ALU | BPF_DIV | BPF_X) && m.x == 0) { /* Linux ends it so */
                *ret_action = 0;
                return true;
            }
            m.a = compute(&m, i);
            break;
        default:
            move(&m, i);
            break;
        }
    }
}

uint32_t bpf_run(const struct sock_filter *code, const struct seccomp_data *data)
{
    uint32_t action = 0;
    (void)run(code, data, DATA_SIZE, &action);
    return action;
}

bool bpf_constant(const struct sock_filter *code, uint32_t arch, int nr, uint32_t *ret_action)
{
    const struct seccomp_data data = {.nr = nr, .arch = arch};
    return run(code, &data, offsetof(struct seccomp_data, instruction_pointer), ret_action);
}
