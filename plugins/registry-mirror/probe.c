/* SPDX-License-Identifier: Apache-2.0 */

#include "probe.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "x509.h"

static const struct {
        const char *reason, *remedy;
        bool good, dead;
} states[] = {
        [PROBE_UNKNOWN] = { "NotCheckedYet", "wait for the first probe", false, false },
        [PROBE_ANSWERS] = { NULL, "", true, false },
        [PROBE_THROTTLES] = { NULL, "it limits the rate of this node's requests", true, false },
        [PROBE_DENIES] = { "EndpointDeniesAccess", "check headersFile and what the mirror grants this node",
                           false, false },
        [PROBE_NEEDS_TOKEN] = { "CredentialsNotForwarded",
                                "containerd before 2.1 does not send headersFile's credentials to a token "
                                "server: "
                                "update it, or have the mirror take them itself",
                                false, false },
        [PROBE_NO_REGISTRY] = { "EndpointNotARegistry", "check url and overridePath", false, false },
        [PROBE_FAILS] = { "EndpointFails", "look at the mirror's own logs", false, true },
        [PROBE_REFUSES_TLS] = { "EndpointTLSFailed",
                                "check that it speaks TLS there, caFile, certFile, and the certificate that "
                                "it shows",
                                false, true },
        [PROBE_TIMES_OUT] = { "EndpointTimesOut",
                              "check that the mirror runs, and the firewalls on the way to it", false, true },
        [PROBE_UNREACHABLE] = { "EndpointUnreachable",
                                "check that the mirror runs, its name, and the route to it", false, true },
};
_Static_assert(ELEMENTS(states) == PROBE_STATES, "a row for each state");

bool probe_is_good(enum probe_state state)
{
        return states[state].good;
}

bool probe_is_dead(enum probe_state state)
{
        return states[state].dead;
}

const char *probe_reason(enum probe_state state)
{
        return states[state].reason;
}

const char *probe_remedy(enum probe_state state)
{
        return states[state].remedy;
}

/* The end of the API's root in the URL: behind "/v2", as a whole part of the path. NULL: it has none. */
static const char *root_end(const char *url)
{
        const char *at = strchr(strstr(url, "://") + 3, '/');

        for (; at && (at = strstr(at, "/v2")); at++)
                if (at[3] == '\0' || at[3] == '/')
                        return at + 3;
        return NULL;
}

int probe_url(const struct mirror_endpoint *endpoint, char **ret, bool *ret_is_root)
{
        size_t length = strlen(endpoint->url);
        const char *end, *suffix = "";
        char *url;

        while (length > 0 && endpoint->url[length - 1] == '/')
                length--;
        end = root_end(endpoint->url);
        /* Behind the root, the path that overrides it names a project (Harbor), of which there is nothing to
         * ask. */
        if (endpoint->override_path && end)
                length = (size_t)(end - endpoint->url);
        else if (!endpoint->override_path &&
                 (length < 3 || strncmp(endpoint->url + length - 3, "/v2", 3) != 0))
                suffix = "/v2";
        if (asprintf(&url, "%.*s%s/", (int)length, endpoint->url, suffix) < 0)
                return -ENOMEM;
        *ret = url;
        *ret_is_root = end || !endpoint->override_path;
        return 0;
}

/* Whether the server would rather hand out tokens (distribution: docs/spec/auth/token.md). */
static bool wants_token(struct http_transfer *transfer)
{
        const char *challenge = http_header(transfer, "WWW-Authenticate");

        return challenge && strncasecmp(challenge, "Bearer", strlen("Bearer")) == 0;
}

static enum probe_state state_of_refusal(const struct probe_question *question,
                                         struct http_transfer *transfer)
{
        if (!question->has_credentials)
                return PROBE_ANSWERS;
        if (!wants_token(transfer))
                return PROBE_DENIES;
        return question->sends_to_tokens ? PROBE_ANSWERS : PROBE_NEEDS_TOKEN;
}

static enum probe_state state_of_status(const struct probe_question *question, struct http_transfer *transfer)
{
        long status = http_status(transfer);

        if (status == 401)
                return state_of_refusal(question, transfer);
        if (status == 403)
                return PROBE_DENIES;
        if (status == 404 && !question->is_root)
                return PROBE_ANSWERS;
        if (status == 429)
                return PROBE_THROTTLES;
        if (status >= 500)
                return PROBE_FAILS;
        return status >= 400 ? PROBE_NO_REGISTRY : PROBE_ANSWERS;
}

static enum probe_state state_of_error(int error)
{
        if (error == -EKEYREJECTED)
                return PROBE_REFUSES_TLS;
        return error == -ETIMEDOUT ? PROBE_TIMES_OUT : PROBE_UNREACHABLE;
}

static uint64_t expiry_of(const char *pem)
{
        _cleanup_certificates_ certificates = {};

        if (!pem || certificates_parse("", pem, strlen(pem), &certificates, NULL) < 0)
                return 0;
        return certificate_not_after(certificates.items[0]);
}

/* It goes into JSON, and partly comes from the peer. */
static void keep_ascii(char *text)
{
        for (; *text; text++)
                if (!isprint((unsigned char)*text))
                        *text = '?';
}

void probe_judge(const struct probe_question *question, struct http_transfer *transfer, int error,
                 struct probe_result *ret)
{
        *ret = (struct probe_result){ .status = error < 0 ? 0 : http_status(transfer),
                                      .expires_usec = expiry_of(http_certificate(transfer)) };
        if (error < 0) {
                ret->state = state_of_error(error);
                (void)snprintf(ret->detail, sizeof(ret->detail), "%s", http_error_text(transfer));
                keep_ascii(ret->detail);
                return;
        }
        ret->state = state_of_status(question, transfer);
        ret->retry_after_usec = http_retry_after_usec(transfer);
        (void)snprintf(ret->detail, sizeof(ret->detail), "answers %ld", ret->status);
}
