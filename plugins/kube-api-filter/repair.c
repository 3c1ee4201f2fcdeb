/* SPDX-License-Identifier: Apache-2.0 */

/* The table is kept as it was made, whoever changes it. */

#include <string.h>

#include "log.h"
#include "quantity.h"
#include "service.h"
#include "timestamp.h"

#define REPAIR_PAUSE_USEC (5 * USEC_PER_SEC)

/* Around everything that changes the table. */
void service_pause(struct service *service)
{
        if (service->monitor)
                (void)monitor_pause(service->monitor);
}

void service_resume(struct service *service)
{
        if (!service->monitor)
                return;
        if (monitor_resume(service->monitor) < 0)
                log_warning(
                        "Cannot follow nftables' notifications; a change by others is not repaired at once");
        (void)sd_event_source_set_enabled(service->look_again, SD_EVENT_ONESHOT);
}

/* A long list takes a while, behind its cover. */
static void say_repaired(const struct service *service, bool covered)
{
        char cover[96] = "";

        if (covered)
                (void)snprintf(cover, sizeof(cover), "; a cover of the list was in force after %.1f ms",
                               (double)service->exposed_usec / (double)USEC_PER_MSEC);
        log_message(LOG_WARNING, MESSAGE_TABLE_REPAIRED,
                    "%s changed the table capi_node_agent; repaired it in %.1f ms%s", service->writer,
                    (double)service->last_repair_usec / (double)USEC_PER_MSEC, cover);
}

static void repair(struct service *service)
{
        uint64_t began = now_boottime_usec(), covered;
        _cleanup_failure_ failure = {};
        int r;

        service->repair_times_usec[service->n_repairs++ % REPAIRS_MAX] = began;
        service->filter->state.repairs++;
        service_pause(service);
        r = filter_enforce(service->filter, &service->touched, &failure);
        service_resume(service);
        covered = service->filter->covered_usec;
        service->last_repair_usec = now_boottime_usec() - began;
        service->exposed_usec = covered ? covered - began : service->last_repair_usec;
        service->touched = (struct touched_sets){ .all = r < 0 };
        if (r < 0)
                log_message(LOG_ERR, MESSAGE_APPLY_FAILED, "Cannot repair the table: %s",
                            failure.message ? failure.message : strerror(-r));
        else
                say_repaired(service, covered > 0);
        service_set_ready(service);
        plugin_touch_report(service->ctx);
}

static bool is_intact(struct service *service)
{
        _cleanup_table_ table = {};

        return table_read(service->filter->netlink, &table) >= 0 &&
               strcmp(table.fingerprint, service->filter->table.fingerprint) == 0;
}

static int on_repair_later(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct service *service = userdata;

        if (service->monitor)
                repair(service);
        return 0;
}

static void on_foreign_change(const char *writer, const struct touched_sets *touched, void *userdata)
{
        struct service *service = userdata;
        int enabled = SD_EVENT_OFF;
        uint64_t oldest;

        if (!touched_sets_any(touched) && is_intact(service))
                return;
        touched_sets_merge(&service->touched, touched);
        (void)snprintf(service->writer, sizeof(service->writer), "%s", writer);
        (void)sd_event_source_get_enabled(service->repair_later, &enabled);
        if (enabled != SD_EVENT_OFF)
                return;
        oldest = service->repair_times_usec[service->n_repairs % REPAIRS_MAX];
        if (service->n_repairs < REPAIRS_MAX || oldest + USEC_PER_MIN < now_boottime_usec()) {
                repair(service);
                return;
        }
        if (!service->fighting)
                log_message(LOG_ERR, MESSAGE_TABLE_REPAIRED,
                            "%s keeps changing the table capi_node_agent; repairing it only every %d s",
                            writer, (int)(REPAIR_PAUSE_USEC / USEC_PER_SEC));
        service->fighting = true;
        (void)sd_event_source_set_time_relative(service->repair_later, REPAIR_PAUSE_USEC);
        (void)sd_event_source_set_enabled(service->repair_later, SD_EVENT_ONESHOT);
        service_set_ready(service);
}

/* Nobody told what others did in a pause. */
static int on_look_again(sd_event_source *source, void *userdata)
{
        struct service *service = userdata;
        uint32_t generation;

        if (service->monitor &&
            (netlink_generation(service->filter->netlink, &generation) < 0 ||
             generation != service->filter->table.generation) &&
            !is_intact(service))
                on_foreign_change("unknown", &(struct touched_sets){ .all = true }, service);
        return 0;
}

int service_watch_table(struct service *service)
{
        sd_event *event = service->ctx->event;
        int r;

        r = monitor_new(event, on_foreign_change, service, &service->monitor);
        if (r < 0)
                return r;
        r = sd_event_add_time_relative(event, &service->repair_later, CLOCK_BOOTTIME, 0, 0, on_repair_later,
                                       service);
        if (r >= 0)
                r = sd_event_source_set_enabled(service->repair_later, SD_EVENT_OFF);
        /* Once at the start: something was applied before the monitor was there. */
        if (r >= 0)
                r = sd_event_add_defer(event, &service->look_again, on_look_again, service);
        return r < 0 ? r : sd_event_source_set_priority(service->look_again, SD_EVENT_PRIORITY_IMPORTANT);
}

void service_calm(struct service *service)
{
        if (service->fighting &&
            now_boottime_usec() >
                    service->repair_times_usec[(service->n_repairs - 1) % REPAIRS_MAX] + USEC_PER_MIN)
                service->fighting = false;
}
