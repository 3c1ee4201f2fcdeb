/* SPDX-License-Identifier: Apache-2.0 */

#include "stale-units.h"

#include <string.h>

#include "unit-processes.h"

#define UNITS_MAX 64

void stale_units_clear(struct config_strings *units)
{
        for (size_t i = 0; i < units->count; i++)
                free(units->items[i]);
        free(units->items);
        *units = (struct config_strings){};
}

static bool is_of_interest(const char *unit)
{
        static const char *const passed_over[] = { "systemd-", "capi-node-",    "cloud-",        "dbus",
                                                   "getty@",   "serial-getty@", "console-getty", "user@" };
        const char *suffix = strrchr(unit, '.');

        if (!suffix || strcmp(suffix, ".service") != 0)
                return false;
        for (size_t i = 0; i < ELEMENTS(passed_over); i++)
                if (strncmp(unit, passed_over[i], strlen(passed_over[i])) == 0)
                        return false;
        return true;
}

static bool started_before(const char *services, const char *unit, uint64_t usec)
{
        uint64_t start;

        return service_started(services, unit, &start) >= 0 && start < usec;
}

int stale_units(const char *services, uint64_t changed_usec, struct config_strings *ret)
{
        _cleanup_(stale_units_clear) struct config_strings units = {};
        _cleanup_(closedirp) DIR *dir = opendir(services);

        units.items = calloc(UNITS_MAX, sizeof(*units.items));
        if (!units.items)
                return -ENOMEM;
        for (struct dirent *entry; dir && units.count < UNITS_MAX && (entry = readdir(dir));) {
                if (!is_of_interest(entry->d_name) || !started_before(services, entry->d_name, changed_usec))
                        continue;
                units.items[units.count] = strdup(entry->d_name);
                if (!units.items[units.count])
                        return -ENOMEM;
                units.count++;
        }
        *ret = units;
        units = (struct config_strings){};
        return 0;
}
