/* SPDX-License-Identifier: Apache-2.0 */

#include "events.h"

#include <inttypes.h>
#include <string.h>

#include "node-object.h"

#define MESSAGE_MAX 1024 /* what the API server takes (pkg/apis/core/validation/events.go) */

static void event_clear(struct event *event)
{
        free(event->name);
        free(event->type);
        free(event->status);
        free(event->reason);
        free(event->message);
        *event = (struct event){};
}

void event_queue_clear(struct event_queue *queue)
{
        for (size_t i = 0; i < EVENTS_MAX; i++)
                event_clear(&queue->items[i]);
}

static bool is_pending(const struct event *event)
{
        return event->name && event->sent_count < event->count;
}

/* "TYPE is STATUS: MESSAGE", cut between characters. */
static char *make_message(json_object *condition)
{
        const char *message = json_string(condition, "message");
        char *text;
        size_t length;

        if (asprintf(&text, "%s is %s: %s", json_string(condition, "type"), json_string(condition, "status"),
                     message ? message : "") < 0)
                return NULL;
        length = strlen(text);
        if (length > MESSAGE_MAX) {
                length = MESSAGE_MAX;
                while (length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80)
                        length--;
                text[length] = '\0';
        }
        return text;
}

static bool is_same(const struct event *event, json_object *condition, uint64_t boottime_usec)
{
        return event->name && boottime_usec - event->seen_usec < EVENTS_LIFE_USEC &&
               strcmp(event->type, json_string(condition, "type")) == 0 &&
               strcmp(event->status, json_string(condition, "status")) == 0 &&
               strcmp(event->reason, json_string(condition, "reason")) == 0;
}

/* A free place, else that of the one longest not seen, rather of those that are sent. */
static struct event *make_place(struct event_queue *queue)
{
        struct event *oldest = &queue->items[0];

        for (size_t i = 0; i < EVENTS_MAX; i++) {
                struct event *event = &queue->items[i];

                if (!event->name)
                        return event;
                if (is_pending(event) != is_pending(oldest) ? !is_pending(event)
                                                            : event->seen_usec < oldest->seen_usec)
                        oldest = event;
        }
        queue->dropped += is_pending(oldest);
        event_clear(oldest);
        return oldest;
}

static int fill(struct event *event, const char *node, json_object *condition, uint64_t realtime_usec)
{
        event->type = strdup(json_string(condition, "type"));
        event->status = strdup(json_string(condition, "status"));
        event->reason = strdup(json_string(condition, "reason"));
        /* Named as client-go names them: object and time. */
        if (!event->type || !event->status || !event->reason ||
            asprintf(&event->name, "%s.%" PRIx64, node, realtime_usec * 1000) < 0) {
                event->name = NULL;
                event_clear(event);
                return -ENOMEM;
        }
        event->first_usec = realtime_usec;
        return 0;
}

static bool name_is_taken(const struct event_queue *queue, const struct event *own)
{
        for (size_t i = 0; i < EVENTS_MAX; i++)
                if (&queue->items[i] != own && queue->items[i].name &&
                    strcmp(queue->items[i].name, own->name) == 0)
                        return true;
        return false;
}

int event_queue_add(struct event_queue *queue, const char *node, json_object *condition,
                    uint64_t boottime_usec, uint64_t realtime_usec)
{
        json_object *healthy = json_member(condition, "healthy", json_type_boolean);
        char *message = make_message(condition);
        struct event *event = NULL;
        int r;

        if (!message)
                return -ENOMEM;
        for (size_t i = 0; i < EVENTS_MAX && !event; i++)
                if (is_same(&queue->items[i], condition, boottime_usec))
                        event = &queue->items[i];
        if (!event) {
                event = make_place(queue);
                r = fill(event, node, condition, realtime_usec);
                /* Two conditions can change in the same microsecond. */
                for (uint64_t later = 1; r >= 0 && name_is_taken(queue, event); later++) {
                        event_clear(event);
                        r = fill(event, node, condition, realtime_usec + later);
                }
                if (r < 0) {
                        free(message);
                        return r;
                }
        }
        free(event->message);
        event->message = message;
        event->good = healthy && json_object_get_boolean(healthy);
        event->last_usec = realtime_usec;
        event->seen_usec = boottime_usec;
        event->count++;
        return 0;
}

uint64_t event_queue_due(const struct event_queue *queue)
{
        const uint64_t burst_usec = (EVENTS_BURST - 1) * EVENTS_INTERVAL_USEC;
        uint64_t due = queue->full_usec > burst_usec ? queue->full_usec - burst_usec : 0;

        for (size_t i = 0; i < EVENTS_MAX; i++)
                if (is_pending(&queue->items[i]))
                        return due > queue->retry_usec ? due : queue->retry_usec;
        return UINT64_MAX;
}

struct event *event_queue_take(struct event_queue *queue, uint64_t boottime_usec)
{
        struct event *first = NULL;

        if (event_queue_due(queue) > boottime_usec)
                return NULL;
        for (size_t i = 0; i < EVENTS_MAX; i++) {
                struct event *event = &queue->items[i];

                if (is_pending(event) && (!first || event->seen_usec < first->seen_usec))
                        first = event;
        }
        queue->full_usec =
                (queue->full_usec > boottime_usec ? queue->full_usec : boottime_usec) + EVENTS_INTERVAL_USEC;
        return first;
}

static int add_subject(json_object *object, const struct event *event, const char *node, const char *uid)
{
        json_object *metadata = json_object_new_object(), *involved = json_object_new_object(),
                    *source = json_object_new_object();
        int r = 0;

        r |= json_set(object, "metadata", metadata);
        r |= json_set(object, "involvedObject", involved);
        r |= json_set(object, "source", source);
        if (r != 0)
                return -ENOMEM;
        r |= json_set_string(metadata, "name", event->name);
        r |= json_set_string(metadata, "namespace", "default"); /* that of a thing without namespace */
        r |= json_set_string(involved, "apiVersion", "v1");
        r |= json_set_string(involved, "kind", "Node");
        r |= json_set_string(involved, "name", node);
        r |= json_set_string(involved, "uid", uid);
        r |= json_set_string(source, "component", NODE_FIELD_MANAGER);
        r |= json_set_string(source, "host", node);
        return r == 0 ? 0 : -ENOMEM;
}

int event_write(const struct event *event, const char *node, const char *uid, json_object **ret)
{
        _cleanup_json_ json_object *object = json_object_new_object();
        char time[KUBERNETES_TIME_SIZE];
        int r = 0;

        r |= json_set_integer(object, "count", event->count);
        r |= json_set_string(object, "lastTimestamp", kubernetes_time(event->last_usec, time));
        r |= json_set_string(object, "message", event->message);
        if (r == 0 && !event->created) {
                r |= json_set_string(object, "apiVersion", "v1");
                r |= json_set_string(object, "kind", "Event");
                r |= json_set_string(object, "type", event->good ? "Normal" : "Warning");
                r |= json_set_string(object, "reason", event->reason);
                r |= json_set_string(object, "firstTimestamp", kubernetes_time(event->first_usec, time));
                r |= json_set_string(object, "reportingComponent", NODE_FIELD_MANAGER);
                r |= json_set_string(object, "reportingInstance", node);
                r |= add_subject(object, event, node, uid);
        }
        if (r != 0)
                return -ENOMEM;
        *ret = TAKE_PTR(object);
        return 0;
}

void event_queue_sent(struct event_queue *queue, const char *name, unsigned count, bool taken, bool missing,
                      uint64_t boottime_usec)
{
        struct event *event = NULL;

        for (size_t i = 0; i < EVENTS_MAX && !event; i++)
                if (queue->items[i].name && strcmp(queue->items[i].name, name) == 0)
                        event = &queue->items[i];
        if (taken) {
                queue->sent++;
                queue->retry_usec = 0;
        } else {
                queue->retry_usec = missing ? 0 : boottime_usec + EVENTS_RETRY_USEC;
        }
        if (!event)
                return;
        if (taken) {
                event->created = true;
                event->sent_count = count;
                event->tries = 0;
        } else if (++event->tries >= EVENTS_TRIES) {
                queue->dropped++;
                event_clear(event);
        } else if (missing) {
                event->created = false;
        }
}
