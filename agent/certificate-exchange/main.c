/* SPDX-License-Identifier: Apache-2.0 */

/* What agent/agent/certificate-exchange.c asks. Not for people: the message that exchange-message.h describes
 * comes from standard input, the answer goes to standard output. */

#include <inttypes.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <signal.h>

#include "exchange-message.h"
#include "files.h"
#include "gateway-identity.h"
#include "kubeconfig.h"
#include "timestamp.h"
#include "x509.h"

struct field {
        char *text;
        size_t size;
};

struct request {
        struct field question, key_file, key, certificate_file, certificate, client_ca_file, client_ca;
        struct field directory, hostname;
};

static struct field *field_of(struct request *request, const char *name)
{
        const struct {
                const char *name;
                struct field *field;
        } fields[] = {
                { "question", &request->question },
                { "key-file", &request->key_file },
                { "key", &request->key },
                { "certificate-file", &request->certificate_file },
                { "certificate", &request->certificate },
                { "client-ca-file", &request->client_ca_file },
                { "client-ca", &request->client_ca },
                { "directory", &request->directory },
                { "hostname", &request->hostname },
        };

        for (size_t i = 0; i < ELEMENTS(fields); i++)
                if (strcmp(fields[i].name, name) == 0)
                        return fields[i].field;
        return NULL;
}

/* ---- whether it fits together ---- */

static int check_dates(const char *path, X509 *certificate, struct failure *failure)
{
        char time[TIMESTAMP_SIZE];

        if (now_realtime_usec() <= certificate_not_after(certificate))
                return 0;
        return failure_set(failure, -EKEYEXPIRED, "CertificateExpired",
                           "the certificate in %s expired at %s; renew it, the agent follows the file", path,
                           timestamp_format(certificate_not_after(certificate), time));
}

static int check_client_ca(const struct request *request, struct failure *failure)
{
        _cleanup_certificates_ authorities = {};
        int r;

        r = certificates_parse(request->client_ca_file.text, request->client_ca.text, request->client_ca.size,
                               &authorities, failure);
        if (r < 0)
                return r;
        for (size_t i = 0; i < authorities.count; i++)
                if (!certificate_is_ca(authorities.items[i]))
                        return failure_set(
                                failure, -EINVAL, "NotACertificateAuthority",
                                "certificate %zu in %s is not a CA (basicConstraints CA:TRUE is missing)",
                                i + 1, request->client_ca_file.text);
        return 0;
}

/* The pin, and until when the verdict holds when no file changes: CLOCK_REALTIME in us. */
static int judge(const struct request *request, char **ret, struct failure *failure)
{
        const char *path = request->certificate_file.text;
        _cleanup_certificates_ chain = {};
        char pin[CERTIFICATE_PIN_SIZE];
        int r;

        if (!path || !request->certificate.text || !request->key_file.text || !request->key.text ||
            !request->client_ca_file.text || !request->client_ca.text)
                return -EBADMSG;
        r = certificates_parse(path, request->certificate.text, request->certificate.size, &chain, failure);
        if (r >= 0)
                r = certificate_check_key(chain.items[0], request->key_file.text, request->key.text,
                                          request->key.size, failure);
        if (r >= 0)
                r = check_dates(path, chain.items[0], failure);
        if (r >= 0)
                r = check_client_ca(request, failure);
        if (r >= 0)
                r = certificate_pin(chain.items[0], pin);
        if (r < 0)
                return r;
        if (asprintf(ret, "%s %" PRIu64, pin, certificate_not_after(chain.items[0])) < 0) {
                *ret = NULL;
                return -ENOMEM;
        }
        return 0;
}

/* ---- the other questions ---- */

static int own(const struct request *request, char **ret, struct failure *failure)
{
        if (!request->directory.text || !request->hostname.text)
                return -EBADMSG;
        return gateway_identity_ensure(request->directory.text, request->hostname.text, now_realtime_usec(),
                                       failure);
}

static int node_name(const struct request *request, char **ret, struct failure *failure)
{
        const struct kubeconfig kubeconfig = {
                .certificate = { .path = request->certificate_file.text, .pem = request->certificate.text },
        };

        if (!kubeconfig.certificate.path && !kubeconfig.certificate.pem)
                return -EBADMSG;
        return kubeconfig_node_name(&kubeconfig, ret, failure);
}

static const struct {
        const char *name;
        int (*answer)(const struct request *request, char **ret, struct failure *failure);
} questions[] = {
        { "judge", judge },
        { "node-name", node_name },
        { "own", own },
};

static int answer(const struct request *request, char **ret, struct failure *failure)
{
        for (size_t i = 0; request->question.text && i < ELEMENTS(questions); i++)
                if (strcmp(questions[i].name, request->question.text) == 0)
                        return questions[i].answer(request, ret, failure);
        return -EBADMSG;
}

static int read_request(struct request *request, char **ret_text, size_t *ret_size)
{
        char *at, *end, *name;
        int r;

        r = file_read("/proc/self/fd/0", EXCHANGE_MESSAGE_MAX, ret_text, ret_size);
        if (r < 0)
                return r;
        at = *ret_text;
        end = at + *ret_size;
        for (;;) {
                struct field field, *known;

                r = exchange_take(&at, end, &name, &field.text, &field.size);
                if (r <= 0)
                        return r;
                known = field_of(request, name);
                if (!known)
                        return -EBADMSG;
                *known = field;
        }
}

int main(void)
{
        _cleanup_failure_ failure = {};
        _cleanup_free_ char *text = NULL, *found = NULL;
        struct request request = {};
        size_t size = 0;
        int r;

        umask(0077);
        /* Nobody else wants the answer. */
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        r = read_request(&request, &text, &size);
        if (r >= 0)
                r = answer(&request, &found, &failure);
        if (text)
                explicit_bzero(text, size);
        exchange_put_number(stdout, "error", (uint64_t) - (r < 0 ? r : 0));
        exchange_put_text(stdout, "reason", failure.reason);
        exchange_put_text(stdout, "message", failure.message);
        exchange_put_text(stdout, "answer", found);
        return fflush(stdout) != 0;
}
