/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Where each new health document goes: the rows of the table in publish.c. */

#include <stddef.h>

#include "agent-config.h"
#include "kubernetes.h"
#include "report-push.h"

struct publication {
        const char *document; /* the health document as JSON text */
        size_t document_size;
        const char *metrics; /* the metrics page */
        size_t metrics_size;
        const char *run_dir;
        const struct agent_config *config;
        json_object *object; /* the document once more */
        const char *gateway; /* its address, see gateway_material_address; NULL: none */
        bool awaited;        /* some plugin has not reported yet and may still do so in time */
        struct kubernetes *kubernetes;
        struct report_push *push;
};

/* Publishes to every place; one that fails does not keep the others from it. A failure is logged when it
 * begins and when it ends. */
void publish(const struct publication *publication);
