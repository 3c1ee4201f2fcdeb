/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What an endpoint is asked to see whether a registry answers there, and what the answer means. */

#include <stdbool.h>
#include <stdint.h>

#include "configuration.h"
#include "http-client.h"

enum probe_state {
        PROBE_UNKNOWN,     /* not asked yet */
        PROBE_ANSWERS,     /* also with 401, when it was shown no credentials: the pull secret's matter */
        PROBE_THROTTLES,   /* 429: it is there, and asked less often as long as it says so */
        PROBE_DENIES,      /* 401 with credentials, 403 */
        PROBE_NEEDS_TOKEN, /* would give a token for credentials that this containerd does not send there */
        PROBE_NO_REGISTRY, /* 404, or another status that the API does not know here */
        PROBE_FAILS,       /* 5xx */
        PROBE_REFUSES_TLS, /* either side the other's certificate, or no common protocol */
        PROBE_TIMES_OUT,
        PROBE_UNREACHABLE, /* name, route, port; or it hangs up */
        PROBE_STATES
};

struct probe_question {
        char *url;
        bool is_root;         /* the API's root for sure, so that 404 says something */
        bool has_credentials; /* a header Authorization */
        bool sends_to_tokens; /* containerd shows it to a token server too */
};

#define PROBE_DETAIL_SIZE 200

struct probe_result {
        enum probe_state state;
        long status; /* HTTP; 0: no answer */
        uint64_t latency_usec;
        uint64_t expires_usec;          /* the certificate: CLOCK_REALTIME; 0: not known */
        uint64_t retry_after_usec;      /* 0: nothing said */
        char detail[PROBE_DETAIL_SIZE]; /* "answers 503", or libcurl's words; ASCII */
};

/* /v2/ as containerd puts it together. Owned by the caller. Returns 0 or -ENOMEM. */
int probe_url(const struct mirror_endpoint *endpoint, char **ret, bool *ret_is_root);

/* From http_done_fn, but for the latency. */
void probe_judge(const struct probe_question *question, struct http_transfer *transfer, int error,
                 struct probe_result *ret);

bool probe_is_good(enum probe_state state); /* images can be had there */
/* Nobody to have them from, so that containerd waits for nothing. Neither good nor dead: it says no at once.
 */
bool probe_is_dead(enum probe_state state);

/* The condition's reason ("EndpointTimesOut"), NULL when it is good; and what to do about it. */
const char *probe_reason(enum probe_state state);
const char *probe_remedy(enum probe_state state);
