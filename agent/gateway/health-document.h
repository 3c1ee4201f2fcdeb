/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The agent's health.json and health.prom as the gateway serves them: followed on disk, believed for as long
 * as the document says, and Unknown from then on. */

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "body.h"
#include "json.h"

#define HEALTH_DOCUMENT_MAX (4 * 1024 * 1024) /* the agent's own limit */
#define HEALTH_ETAG_SIZE    96

/* One state of the document. */
struct health_view {
        json_object *json; /* of fresh ones without the longer lists, see read_document() */
        struct body *body; /* the same as text */
        const char *status;
        char etag[HEALTH_ETAG_SIZE]; /* W/"BOOTID-SEQUENCE", other while it is stale */
};

struct health_document;

/* Loads the document in the directory and follows it. changed is called from the event loop when the view's
 * etag is another. A file that is missing or broken is no error: the gateway then serves what it had. */
int health_document_new(sd_event *event, const char *directory, void (*changed)(void *userdata),
                        void *userdata, struct health_document **ret);
struct health_document *health_document_free(struct health_document *document);
DEFINE_CLEANUP(struct health_document *, health_document_free)

/* What is true now; NULL as long as there was no document. Borrowed until the event loop runs again. */
const struct health_view *health_document_view(const struct health_document *document);

/* Whether the agent is alive: there is a document and it is within its time. */
bool health_document_is_fresh(const struct health_document *document);

/* Microseconds since the document last changed; 0 as long as there was none. */
uint64_t health_document_age_usec(const struct health_document *document);

/* The metrics page of the agent, which is read when it was written since the last time; NULL when there is
 * none or the document is not fresh. Borrowed. */
const struct body *health_document_metrics(struct health_document *document);
