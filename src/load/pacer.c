/* SPDX-License-Identifier: Apache-2.0 */
#include "load/pacer.h"

/* Multiplied out each time rather than added up, so that no rounding accumulates. */
static int64_t arrival_ns(const struct pacer *p, uint64_t arrival)
{
    unsigned __int128 offset = (unsigned __int128)arrival * 1000000000000u / p->rate_per_ks;
    return p->start_ns + (int64_t)offset;
}

int64_t pacer_intended_ns(const struct pacer *p, uint64_t client, uint64_t number)
{
    return arrival_ns(p, number * p->client_count + client);
}

int64_t pacer_next_ns(const struct pacer *p)
{
    int64_t next_ns = p->rate_per_ks > 0 ? arrival_ns(p, p->arrived) : INT64_MAX;
    return next_ns < p->end_ns ? next_ns : INT64_MAX;
}

bool pacer_arrival(struct pacer *p, int64_t now_ns, uint64_t *ret_client)
{
    int64_t next_ns = pacer_next_ns(p);
    if (next_ns == INT64_MAX || next_ns > now_ns)
        return false;
    *ret_client = p->arrived++ % p->client_count;
    return true;
}

uint64_t pacer_arrived_of(const struct pacer *p, uint64_t client)
{
    return p->arrived / p->client_count + (client < p->arrived % p->client_count);
}
