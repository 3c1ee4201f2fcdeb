/* SPDX-License-Identifier: Apache-2.0 */

#include "retention.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "quantity.h"
#include "retention-clock.h"
#include "timestamp.h"

struct entry {
        const struct retention_copy *copy;
        struct retention_decision *decision; /* NULL: another prunes it, it only counts */
        uint64_t taken;                      /* by its clock */
        uint64_t age;                        /* at least */
        bool doubtful;                       /* its time contradicts the order */
        bool fixed;                          /* stays whatever the rules say */
};

/* Copies that are decided about together, the newest first. */
struct line {
        const struct retention_input *input;
        uint64_t shares; /* how many nodes' keepLast and maxBytes it may hold */
        struct entry *entries;
        size_t count;
};

const char *retention_verdict_name(enum retention_verdict verdict)
{
        switch (verdict) {
        case RETENTION_KEEP:
                return "Keep";
        case RETENTION_DELETE:
                return "Delete";
        case RETENTION_FOREIGN:
                return "Foreign";
        }
        return NULL;
}

#define SAY(entry, what, ...)                                                                         \
        ((entry)->decision ? (void)((entry)->decision->verdict = (what),                              \
                                    snprintf((entry)->decision->why, RETENTION_WHY_MAX, __VA_ARGS__)) \
                           : (void)0)

static bool is_verified(const struct entry *entry)
{
        return entry->copy->whole;
}

static bool goes(const struct entry *entry)
{
        return entry->decision && entry->decision->verdict == RETENTION_DELETE;
}

static bool is_own(const struct retention_input *input, const struct retention_copy *copy)
{
        return strcmp(copy->node, input->node) == 0;
}

/* A copy of a later revision may be of a member that joined since the list was taken. */
static bool has_left(const struct retention_input *input, const struct retention_copy *copy)
{
        return input->members && input->members->cluster_id == input->cluster_id &&
               copy->revision < input->members->revision &&
               member_list_has_left(input->members, copy->member_id, copy->node);
}

/* ---- the order ---- */

static int by_sequence(const void *a, const void *b)
{
        const struct retention_copy *one = ((const struct entry *)a)->copy,
                                    *other = ((const struct entry *)b)->copy;

        if (one->sequence != other->sequence)
                return one->sequence > other->sequence ? -1 : 1;
        return one->revision > other->revision ? -1 : one->revision < other->revision;
}

static int by_revision(const void *a, const void *b)
{
        const struct entry *one = a, *other = b;

        if (one->copy->revision != other->copy->revision)
                return one->copy->revision > other->copy->revision ? -1 : 1;
        if (one->taken != other->taken)
                return one->taken > other->taken ? -1 : 1;
        return by_sequence(a, b);
}

/* Ages, so that no wrong time makes a copy older than it is: it is as young as the youngest that was taken
 * before it, and one from the future has no age. */
static void find_ages(struct line *line)
{
        uint64_t now = line->input->present.now.realtime_usec, latest = 0;

        for (size_t i = line->count; i-- > 0;) {
                struct entry *entry = &line->entries[i];
                bool future = entry->taken > now + CLOCK_TOLERANCE_USEC;
                uint64_t taken = entry->taken < now ? entry->taken : now;

                if (!future && taken > latest)
                        latest = taken;
                entry->age = future ? 0 : now - latest;
                entry->doubtful = future || latest - taken > CLOCK_TOLERANCE_USEC;
        }
}

/* ---- what stays whatever the rules say ---- */

/* The newest verified copies by number, among them as many that were walked through; in the cluster's line
 * nothing goes before a newer one of a member stands. What is damaged stays for who looks into it, until
 * there are enough newer ones. */
static void fix_newest(struct line *line)
{
        uint64_t wanted = (uint64_t)line->input->rules->keep_verified, last, verified = 0, walked = 0,
                 of_members = 0;

        last = retention_keep_last(line->input->rules);
        last = last == UINT64_MAX || last < wanted ? wanted : last;
        for (size_t i = 0; i < line->count; i++) {
                struct entry *entry = &line->entries[i];
                bool enough = verified >= wanted && (!entry->copy->walked || walked >= wanted);

                if (!is_verified(entry)) {
                        entry->fixed = verified < last || of_members == 0;
                        if (entry->fixed)
                                SAY(entry, RETENTION_KEEP,
                                    "it is damaged, and stays until %" PRIu64
                                    " newer verified copies stand here",
                                    last);
                        continue;
                }
                entry->fixed = !enough || of_members == 0;
                if (!enough)
                        SAY(entry, RETENTION_KEEP,
                            "it is among the newest verified copies (keepVerified %" PRIu64 ")", wanted);
                else if (of_members == 0)
                        SAY(entry, RETENTION_KEEP, "no newer verified copy of a member stands here yet");
                verified++;
                walked += entry->copy->walked;
                of_members += is_own(line->input, entry->copy) || !has_left(line->input, entry->copy);
        }
}

/* ---- the rules ---- */

/* Which step of a tier it stands in. What has no sound time has steps of its own, so that it takes nobody's
 * place. */
static uint64_t step_of(const struct line *line, const struct entry *entry, const struct retention_tier *tier)
{
        uint64_t at = entry->doubtful ? entry->taken : line->input->present.now.realtime_usec - entry->age;

        return at / tier->every_usec;
}

static bool is_within(const struct entry *entry, const struct retention_tier *tier)
{
        return is_verified(entry) && (tier->for_usec == 0 || entry->age <= tier->for_usec);
}

/* Sound times are in order, so that the one before tells; others are not. */
static bool newer_has_step(const struct line *line, size_t i, const struct retention_tier *tier)
{
        const struct entry *entry = &line->entries[i];
        uint64_t step = step_of(line, entry, tier);

        while (i-- > 0) {
                const struct entry *newer = &line->entries[i];

                if (!is_within(newer, tier) || newer->doubtful != entry->doubtful)
                        continue;
                if (step_of(line, newer, tier) == step)
                        return true;
                if (!entry->doubtful)
                        return false;
        }
        return false;
}

/* One of each step: the newest. */
static void keep_tier(struct line *line, const struct retention_tier *tier)
{
        char every[QUANTITY_SIZE], within[QUANTITY_SIZE], begin[TIMESTAMP_SIZE];

        for (size_t i = 0; i < line->count; i++) {
                struct entry *entry = &line->entries[i];

                if (!goes(entry) || !is_within(entry, tier) || newer_has_step(line, i, tier))
                        continue;
                SAY(entry, RETENTION_KEEP, "it is the newest of the %s from %s (tier for %s)%s",
                    duration_format(tier->every_usec, every),
                    timestamp_format(step_of(line, entry, tier) * tier->every_usec, begin),
                    tier->for_usec > 0 ? duration_format(tier->for_usec, within) : "ever",
                    entry->doubtful ? "; its time is in doubt" : "");
        }
}

static void say_wanted(struct entry *entry, uint64_t last)
{
        if (last == UINT64_MAX)
                SAY(entry, RETENTION_KEEP, "it is within maxAge and maxBytes");
        else
                SAY(entry, RETENTION_KEEP, "it is among the newest %" PRIu64 " (keepLast)", last);
}

/* What nothing asks for goes; then the tiers take back what they want. */
static void apply_count_and_tiers(struct line *line)
{
        const struct target_retention *rules = line->input->rules;
        uint64_t last = retention_keep_last(rules), verified = 0;

        if (last != UINT64_MAX)
                last *= line->shares;
        for (size_t i = 0; i < line->count; i++) {
                struct entry *entry = &line->entries[i];

                if (entry->fixed) {
                        verified += is_verified(entry);
                        continue;
                }
                if (!is_verified(entry))
                        SAY(entry, RETENTION_DELETE,
                            "it is damaged, and enough newer verified copies stand here");
                else if (verified++ < last)
                        say_wanted(entry, last);
                else if (last > 0)
                        SAY(entry, RETENTION_DELETE, "it is older than the newest %" PRIu64 " (keepLast)%s",
                            last, rules->tiers.count > 0 ? ", and no tier's" : "");
                else
                        SAY(entry, RETENTION_DELETE, "it is no tier's");
        }
        for (size_t i = 0; i < rules->tiers.count; i++)
                keep_tier(line, retention_tier(rules, i));
}

static void apply_max_age(struct line *line)
{
        uint64_t limit = line->input->rules->max_age_usec;
        char text[QUANTITY_SIZE];

        for (size_t i = 0; i < line->count && limit > 0; i++)
                if (!line->entries[i].fixed && line->entries[i].age > limit)
                        SAY(&line->entries[i], RETENTION_DELETE, "it is older than maxAge (%s)",
                            duration_format(limit, text));
}

static uint64_t size_kept(const struct line *line)
{
        uint64_t size = 0;

        for (size_t i = 0; i < line->count; i++)
                if (!goes(&line->entries[i]))
                        size += line->entries[i].copy->size;
        return size;
}

/* Gives up the oldest until `excess` bytes went. Returns how many did. */
static uint64_t give_up(struct line *line, uint64_t excess, const char *why)
{
        uint64_t went = 0;

        for (size_t i = line->count; i-- > 0 && went < excess;) {
                struct entry *entry = &line->entries[i];

                if (entry->fixed || !entry->decision || goes(entry))
                        continue;
                SAY(entry, RETENTION_DELETE, "%s", why);
                went += entry->copy->size;
        }
        return went;
}

static void apply_max_bytes(struct line *line)
{
        uint64_t limit = line->input->rules->max_bytes, size = size_kept(line);
        char text[QUANTITY_SIZE], why[RETENTION_WHY_MAX];

        if (limit == 0)
                return;
        (void)snprintf(why, sizeof(why), "the newer ones fill maxBytes (%s%s)", size_format(limit, text),
                       line->shares > 1 ? " for each member" : "");
        if (__builtin_mul_overflow(limit, line->shares, &limit))
                limit = UINT64_MAX;
        if (size > limit)
                give_up(line, size - limit, why);
}

static uint64_t size_given_up(const struct line *line)
{
        uint64_t size = 0;

        for (size_t i = 0; i < line->count; i++)
                if (goes(&line->entries[i]))
                        size += line->entries[i].copy->size;
        return size;
}

static void apply_min_free(struct line *line, uint64_t *free)
{
        const struct retention_input *input = line->input;
        uint64_t wanted = retention_min_free(input->rules, input->capacity);
        char why[RETENTION_WHY_MAX];

        if (input->capacity == 0 || *free >= wanted)
                return;
        (void)snprintf(why, sizeof(why), "less than minFree (%s) is free here", input->rules->min_free);
        *free += give_up(line, wanted - *free, why);
}

static void decide_line(struct line *line)
{
        find_ages(line);
        fix_newest(line);
        apply_count_and_tiers(line);
        apply_max_age(line);
        apply_max_bytes(line);
}

/* ---- who decides about what ---- */

static bool is_ours(const struct retention_input *input, const struct retention_copy *copy)
{
        return copy->cluster_id == input->cluster_id && copy->authentic;
}

/* Before any rule. */
static void decide_ownership(const struct retention_input *input, struct retention_decision *ret)
{
        for (size_t i = 0; i < input->count; i++) {
                const struct retention_copy *copy = &input->copies[i];

                ret[i].verdict = RETENTION_FOREIGN;
                if (copy->cluster_id != input->cluster_id)
                        (void)snprintf(ret[i].why, RETENTION_WHY_MAX,
                                       "it is of the cluster id %016" PRIx64 ", not of this cluster",
                                       copy->cluster_id);
                else if (!copy->authentic)
                        (void)snprintf(ret[i].why, RETENTION_WHY_MAX,
                                       "its manifest does not have the HMAC of this cluster's key");
                else if (!input->members)
                        (void)snprintf(ret[i].why, RETENTION_WHY_MAX,
                                       "it is of node %.64s, and who the members are is not known",
                                       copy->node);
                else if (!has_left(input, copy))
                        (void)snprintf(ret[i].why, RETENTION_WHY_MAX,
                                       "node %.64s prunes its own: it is a member, or joined lately",
                                       copy->node);
                else
                        (void)snprintf(ret[i].why, RETENTION_WHY_MAX,
                                       "node %.64s has left, and the member with the lowest id prunes for it",
                                       copy->node);
        }
}

static void line_up_own(struct line *line, struct retention_decision *decisions)
{
        const struct retention_input *input = line->input;

        line->shares = 1;
        for (size_t i = 0; i < input->count; i++)
                if (is_ours(input, &input->copies[i]) && is_own(input, &input->copies[i]))
                        line->entries[line->count++] =
                                (struct entry){ .copy = &input->copies[i],
                                                .decision = &decisions[i],
                                                .taken = retention_clock_taken(input, &input->copies[i]) };
        qsort(line->entries, line->count, sizeof(*line->entries), by_sequence);
}

static bool is_for_us(const struct retention_input *input, const struct retention_copy *copy)
{
        return !is_own(input, copy) && has_left(input, copy);
}

/* All of the cluster, in which what has left is decided about and the rest only counts. What goes by its own
 * node's rules counts no more. */
static void line_up_cluster(struct line *line, struct retention_decision *decisions)
{
        const struct retention_input *input = line->input;

        for (size_t i = 0; i < input->members->count; i++)
                line->shares += !input->members->items[i].is_learner;
        for (size_t i = 0; i < input->count; i++) {
                const struct retention_copy *copy = &input->copies[i];

                if (is_ours(input, copy) && decisions[i].verdict != RETENTION_DELETE)
                        line->entries[line->count++] =
                                (struct entry){ .copy = copy,
                                                .decision = is_for_us(input, copy) ? &decisions[i] : NULL,
                                                .taken = retention_clock_taken(input, copy) };
        }
        qsort(line->entries, line->count, sizeof(*line->entries), by_revision);
}

static bool prunes_for_left(const struct retention_input *input)
{
        return input->members && member_list_self_is_lowest(input->members);
}

/* Where room has to be made, what has left goes first. */
static int decide(const struct retention_input *input, struct retention_decision *decisions)
{
        _cleanup_free_ struct entry *own_entries = calloc(input->count + 1, sizeof(*own_entries)),
                                    *entries = calloc(input->count + 1, sizeof(*entries));
        struct line own = { .input = input, .entries = own_entries },
                    cluster = { .input = input, .entries = entries };
        uint64_t free = input->free;

        if (!own_entries || !entries)
                return -ENOMEM;
        line_up_own(&own, decisions);
        decide_line(&own);
        free += size_given_up(&own);
        if (prunes_for_left(input)) {
                line_up_cluster(&cluster, decisions);
                decide_line(&cluster);
                free += size_given_up(&cluster);
                apply_min_free(&cluster, &free);
        }
        apply_min_free(&own, &free);
        return 0;
}

int retention_decide(const struct retention_input *input, struct retention_decision *ret)
{
        char why[RETENTION_WHY_MAX];

        decide_ownership(input, ret);
        if (retention_clock_sound(input, why))
                return decide(input, ret);

        for (size_t i = 0; i < input->count; i++) {
                const struct retention_copy *copy = &input->copies[i];

                if (!is_ours(input, copy) ||
                    (!is_own(input, copy) && !(prunes_for_left(input) && is_for_us(input, copy))))
                        continue;
                ret[i].verdict = RETENTION_KEEP;
                memcpy(ret[i].why, why, sizeof(why));
        }
        return 0;
}
