/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the fields of a request ask for. */

#include <stdbool.h>

#include "http-request.h"

/* Whether If-None-Match is there at all. */
bool http_is_conditional(const struct http_request *request);

/* Whether If-None-Match lists the entity tag (as sent: W/"…"), by weak comparison, or is * (RFC 9110,
 * 13.1.2). */
bool http_lists_etag(const struct http_request *request, const char *etag);

/* Whether the client would rather have OpenMetrics 1.0 than the Prometheus text format, by Accept and its
 * weights. A client that accepts neither gets the text format all the same (RFC 9110, 12.5.1 allows it): a
 * page that it can show beats an error that it cannot act on. */
bool http_prefers_openmetrics(const struct http_request *request);
