/* SPDX-License-Identifier: Apache-2.0 */

#include "moment.h"

#include <stdio.h>
#include <string.h>

#include "timestamp.h"

void moment_now(struct moment *ret)
{
        ret->realtime_usec = now_realtime_usec();
        ret->boottime_usec = now_boottime_usec();
        snprintf(ret->boot_id, sizeof(ret->boot_id), "%s", boot_id());
}

static uint64_t minus(uint64_t a, uint64_t b)
{
        return a > b ? a - b : 0;
}

uint64_t moment_age(const struct moment *moment, const struct present *present)
{
        const struct moment *now = &present->now;
        uint64_t by_clock = minus(now->realtime_usec, moment->realtime_usec), of_boot;

        if (now->boot_id[0] && strcmp(moment->boot_id, now->boot_id) == 0)
                return minus(now->boottime_usec, moment->boottime_usec);

        of_boot = minus(now->boottime_usec, present->boot_seen_usec);
        return by_clock > of_boot ? by_clock : of_boot;
}

struct moment_keys {
        char at[64], boot[64], boottime[64];
};

static void make_keys(const char *name, struct moment_keys *ret)
{
        (void)snprintf(ret->at, sizeof(ret->at), "%sAt", name);
        (void)snprintf(ret->boot, sizeof(ret->boot), "%sBootId", name);
        (void)snprintf(ret->boottime, sizeof(ret->boottime), "%sBoottimeUsec", name);
}

int moment_write(const struct moment *moment, json_object *object, const char *name)
{
        char at[TIMESTAMP_SIZE];
        struct moment_keys keys;
        int r;

        make_keys(name, &keys);
        r = json_set_string(object, keys.at, timestamp_format(moment->realtime_usec, at));
        if (r < 0)
                return r;
        r = json_set_string(object, keys.boot, moment->boot_id);
        if (r < 0)
                return r;
        return json_set_integer(object, keys.boottime, (int64_t)moment->boottime_usec);
}

int moment_read(json_object *object, const char *name, struct moment *ret)
{
        struct moment moment = {};
        struct moment_keys keys;
        const char *at, *boot;
        int64_t boottime;
        int r;

        make_keys(name, &keys);
        at = json_string(object, keys.at);
        boot = json_string(object, keys.boot);
        boottime = json_integer(object, keys.boottime, -1);
        if (!at || !boot || strlen(boot) >= sizeof(moment.boot_id) || boottime < 0)
                return -EINVAL;
        r = timestamp_parse(at, &moment.realtime_usec);
        if (r < 0)
                return r;

        moment.boottime_usec = (uint64_t)boottime;
        strcpy(moment.boot_id, boot);
        *ret = moment;
        return 0;
}
