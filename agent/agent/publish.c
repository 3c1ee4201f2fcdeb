/* SPDX-License-Identifier: Apache-2.0 */

#include "publish.h"

#include <string.h>

#include "files.h"
#include "log.h"

static int publish_file(const struct publication *publication, const char *name, const char *text,
                        size_t size)
{
        _cleanup_free_ char *path = NULL;

        if (asprintf(&path, "%s/%s", publication->run_dir, name) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        return file_write_volatile(path, text, size, 0644); /* in memory anyway */
}

static int publish_document(const struct publication *publication)
{
        return publish_file(publication, "health.json", publication->document, publication->document_size);
}

static int publish_metrics(const struct publication *publication)
{
        return publish_file(publication, "health.prom", publication->metrics, publication->metrics_size);
}

/* node_exporter's textfile collector: *.prom, renamed into place, no timestamps (its README). */
static int publish_textfile(const struct publication *publication)
{
        if (!publication->config->textfile)
                return 0;
        return file_write(publication->config->textfile, publication->metrics, publication->metrics_size,
                          0644);
}

static int publish_kubernetes(const struct publication *publication)
{
        return kubernetes_offer(publication->kubernetes, &publication->config->kubernetes,
                                publication->object, publication->gateway, publication->awaited);
}

static int publish_report(const struct publication *publication)
{
        return report_push_offer(publication->push, &publication->config->report, publication->object);
}

static struct publisher {
        const char *name;
        int (*publish)(const struct publication *publication);
        int error; /* of the last time */
} publishers[] = {
        { "the metrics page", publish_metrics, 0 },     { "the textfile", publish_textfile, 0 },
        { "to Kubernetes", publish_kubernetes, 0 },     { "to the management plane", publish_report, 0 },
        { "the health document", publish_document, 0 }, /* last: its change wakes those who wait */
};

void publish(const struct publication *publication)
{
        for (size_t i = 0; i < ELEMENTS(publishers); i++) {
                struct publisher *publisher = &publishers[i];
                int r = publisher->publish(publication);

                if (r < 0 && r != publisher->error)
                        (void)log_error(r, "Cannot publish %s", publisher->name);
                if (r >= 0 && publisher->error < 0)
                        log_notice("Publishing %s works again", publisher->name);
                publisher->error = r;
        }
}
