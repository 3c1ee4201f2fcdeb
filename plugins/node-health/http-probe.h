/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Questions of the checks over HTTP, asked without waiting for the answer. */

#include "check.h"
#include "grpc.h"
#include "http-client.h"

#define HTTP_PROBE_TIMEOUT_USEC  (4 * UINT64_C(1000000)) /* then the peer hangs, which is its failure */
#define HTTP_PROBE_DEADLINE_USEC (10 * UINT64_C(1000000))

/* Begins the exchange; done gets the run as its userdata and ends it, or asks again. Sets the request's
 * userdata, and its timeout when it has none. Returns as http_start. */
int http_probe_start(struct check_run *run, struct http_request *request, http_done_fn done);
/* The same for a gRPC call. */
int http_probe_call(struct check_run *run, struct grpc_request *request, grpc_done_fn done);

/* Nothing is asked for a while: lets go of the code that only asking needs, but not of the connections. */
void http_probe_rest(void);

/* What the exchange says of a service: 200 is OK and PREFIXAnswers; else Fail and PREFIXNotListening,
 * PREFIXNotAnswering, PREFIXCertificateRefused, or for another status PREFIXUnhealthy with what the body
 * says. `name` and `remedy` are for the message. */
struct http_service {
        const char *name, *prefix, *remedy;
};
void http_probe_judge(const struct http_service *service, struct http_transfer *transfer, int error,
                      struct check_result *ret);

/* Fail for an exchange that came to no answer, as above. */
void http_probe_judge_error(const struct http_service *service, int error, const char *detail,
                            struct check_result *ret);

/* Ends the run as Unknown, because of the node itself (no memory, no libcurl). */
void http_probe_fail(struct check_run *run, int error);
