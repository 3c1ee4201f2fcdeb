/* SPDX-License-Identifier: Apache-2.0 */

#include "plan.h"

#include <string.h>

#include "files.h"
#include "shared-authorities.h"
#include "x509.h"

#define BUNDLE          "/etc/ssl/certs/ca-certificates.crt"
#define BUNDLE_SIZE_MAX (16 * 1024 * 1024)

static void free_secret(char *text)
{
        if (text)
                explicit_bzero(text, strlen(text));
        free(text);
}

void mirror_plan_clear(struct mirror_plan *plan)
{
        for (size_t i = 0; i < plan->n_hosts; i++) {
                struct mirror_host *host = &plan->hosts[i];

                free(host->ca_pem);
                free_secret(host->client_pem);
                headers_free(host->headers, host->n_headers);
                free(host->ca_path);
                free(host->client_path);
        }
        free(plan->hosts);
        for (size_t i = 0; i < plan->n_chains; i++)
                free(plan->chains[i].name);
        free(plan->chains);
        free(plan->authorities_pem);
        free(plan->authorities_path);
        *plan = (struct mirror_plan){};
}

/* ---- what files hold ---- */

/* A name that another content never has, so that whoever read the name finds what he read about. */
static int place_of(const char *kind, const char *content, char **ret)
{
        char digest[SHA256_TEXT_SIZE];
        char *path;

        if (digest_text(content, strlen(content), digest) < 0)
                return -EIO;
        if (asprintf(&path, MIRROR_FILES "/%s-%s.pem", kind, digest + strlen("sha256:")) < 0)
                return -ENOMEM;
        *ret = path;
        return 0;
}

/* Each certificate encoded anew: what a hand-written file has besides them, OpenSSL and Go read differently,
 * and one that Go does not read makes every pull fail. */
static int canonical(const char *where, const char *text, size_t size, char **ret, struct failure *failure)
{
        _cleanup_certificates_ certificates = {};
        _cleanup_free_ char *all = strdup("");
        int r;

        r = certificates_parse(where, text, size, &certificates, failure);
        if (r < 0)
                return r == -ENODATA ? -EINVAL : r;
        for (size_t i = 0; i < certificates.count; i++) {
                _cleanup_free_ char *before = all, *one = NULL;
                const char *refusal = certificate_go_refusal(certificates.items[i]);

                all = NULL;
                if (refusal)
                        return failure_set(failure, -EINVAL, "InvalidCertificate", "%s: certificate %zu: %s",
                                           where, i + 1, refusal);
                r = certificate_pem(certificates.items[i], &one);
                if (r < 0 || asprintf(&all, "%s%s", before ?: "", one) < 0) {
                        all = NULL;
                        return -ENOMEM;
                }
        }
        *ret = TAKE_PTR(all);
        return 0;
}

static int read_certificates(const char *root, const char *file, char **ret, struct failure *failure)
{
        _cleanup_free_ char *path = path_under(root, file), *text = NULL;
        size_t size;
        int r;

        if (!path)
                return -ENOMEM;
        r = file_read(path, X509_FILE_MAX, &text, &size);
        if (r < 0)
                return failure_set(failure, r, "CertificateUnreadable", "cannot read %s: %s", path,
                                   strerror(-r));
        r = canonical(path, text, size, ret, failure);
        explicit_bzero(text, size); /* keys may stand beside the certificates */
        return r;
}

static int load_authorities(const char *root, const char *pointer, struct mirror_host *host,
                            struct failure *failure)
{
        const struct mirror_endpoint *endpoint = host->endpoint;
        int r = 0;

        if (endpoint->ca_file)
                r = read_certificates(root, endpoint->ca_file, &host->ca_pem, failure);
        else if (endpoint->ca)
                r = canonical(pointer, endpoint->ca, strlen(endpoint->ca), &host->ca_pem, failure);
        if (r < 0 || !host->ca_pem)
                return r;
        return place_of("ca", host->ca_pem, &host->ca_path);
}

static int join_pair(const struct mirror_endpoint *endpoint, const char *certificates, const char *key_path,
                     const char *key, size_t key_size, struct mirror_host *host, struct failure *failure)
{
        _cleanup_certificates_ parsed = {};
        int r;

        r = certificates_parse(endpoint->cert_file, certificates, strlen(certificates), &parsed, failure);
        if (r < 0)
                return r;
        r = certificate_check_key(parsed.items[0], key_path, key, key_size, failure);
        if (r < 0)
                return r;
        if (asprintf(&host->client_pem, "%s%s", certificates, key) < 0) {
                host->client_pem = NULL;
                return -ENOMEM;
        }
        return place_of("client", host->client_pem, &host->client_path);
}

/* Both in one file, so that a renewal never shows the new one of them beside the old other. */
static int load_client(const char *root, struct mirror_host *host, struct failure *failure)
{
        const struct mirror_endpoint *endpoint = host->endpoint;
        _cleanup_free_ char *path = NULL, *certificates = NULL;
        char *key = NULL;
        size_t key_size;
        int r;

        if (!endpoint->cert_file)
                return 0;
        r = read_certificates(root, endpoint->cert_file, &certificates, failure);
        if (r < 0)
                return r;
        path = path_under(root, endpoint->key_file);
        if (!path)
                return -ENOMEM;
        r = file_read_secret(path, X509_FILE_MAX, &key, &key_size, failure);
        if (r >= 0)
                r = join_pair(endpoint, certificates, path, key, key_size, host, failure);
        free_secret(key);
        return r;
}

static int load_headers(const char *root, struct mirror_host *host, struct failure *failure)
{
        _cleanup_free_ char *path = NULL;
        char *text = NULL;
        size_t size;
        int r;

        if (!host->endpoint->headers_file)
                return 0;
        path = path_under(root, host->endpoint->headers_file);
        if (!path)
                return -ENOMEM;
        r = file_read_secret(path, HEADERS_FILE_SIZE_MAX, &text, &size, failure);
        if (r >= 0)
                r = headers_parse(path, text, size, &host->headers, &host->n_headers, failure);
        free_secret(text);
        return r;
}

static int load_host(const char *root, const char *pointer, const struct mirror_endpoint *endpoint,
                     struct mirror_host *host, struct failure *failure)
{
        int r;

        host->endpoint = endpoint;
        r = load_authorities(root, pointer, host, failure);
        if (r >= 0)
                r = load_client(root, host, failure);
        return r < 0 ? r : load_headers(root, host, failure);
}

/* ---- who is asked for what ---- */

/* Once: what a chain has twice, containerd refuses. */
static void chain_add(struct mirror_chain *chain, struct mirror_host *host)
{
        for (size_t i = 0; i < chain->n_hosts; i++)
                if (mirror_same_url(chain->hosts[i]->endpoint->url, host->endpoint->url))
                        return;
        chain->order.hosts[chain->n_hosts] = chain->n_hosts;
        chain->hosts[chain->n_hosts++] = host;
        chain->order.before_upstream = chain->n_hosts;
}

static int add_chain(struct mirror_plan *plan, const char *root, const struct mirror_registry *registry,
                     struct failure *failure)
{
        struct mirror_chain *chain = &plan->chains[plan->n_chains++];

        *chain = (struct mirror_chain){ .host = registry->host, .fallback = registry->fallback };
        for (size_t i = 0; i < registry->endpoints.count; i++) {
                struct mirror_host *host = &plan->hosts[plan->n_hosts++];
                char pointer[512];
                int r;

                host->registry = registry->host;
                snprintf(pointer, sizeof(pointer), "%s%s/endpoints/%zu/ca",
                         registry->host ? "/registries/" : "/default", registry->host ?: "", i);
                r = load_host(root, pointer, mirror_endpoint(registry, i), host, failure);
                if (r < 0)
                        return r;
                chain_add(chain, host);
        }
        return 0;
}

static bool has_chain(const struct mirror_plan *plan, const char *host)
{
        for (size_t i = 0; i < plan->n_chains; i++)
                if (plan->chains[i].host && strcmp(plan->chains[i].host, host) == 0)
                        return true;
        return false;
}

/* The first `length` bytes of the chain's host, with something before and behind. */
static int add_name(struct mirror_plan *plan, const struct mirror_chain *chain, const char *before,
                    int length, const char *behind)
{
        struct mirror_chain *other = &plan->chains[plan->n_chains];
        char *name;

        if (asprintf(&name, "%s%.*s%s", before, length, chain->host, behind) < 0)
                return -ENOMEM;
        if (has_chain(plan, name)) {
                free(name);
                return 0;
        }
        *other = *chain;
        other->host = other->name = name;
        other->of = chain->host;
        plan->n_chains++;
        return 0;
}

/* containerd looks for a directory by the name that the image has, and an image may spell the port of https
 * out. */
static int add_names(struct mirror_plan *plan, const struct mirror_chain *chain)
{
        const char *port = strrchr(chain->host, ':');
        int length = (int)strlen(chain->host), r;

        if (port && !strchr(port, ']')) {
                if (strcmp(port, ":443") != 0)
                        return 0;
                length = (int)(port - chain->host);
        }
        r = add_name(plan, chain, "", length, "");
        if (r >= 0)
                r = add_name(plan, chain, "", length, ":443");
        if (r < 0 || length != (int)strlen("docker.io") ||
            strncmp(chain->host, "docker.io", (size_t)length) != 0)
                return r;
        r = add_name(plan, chain, "registry-1.", length, "");
        return r < 0 ? r : add_name(plan, chain, "registry-1.", length, ":443");
}

/* A registry that must not be asked, must not be under another name. */
static int close_names(struct mirror_plan *plan)
{
        size_t n_chains = plan->n_chains;
        int r = 0;

        for (size_t i = 0; i < n_chains && r >= 0; i++)
                if (plan->chains[i].host && !plan->chains[i].fallback)
                        r = add_names(plan, &plan->chains[i]);
        return r;
}

static int load_all(const struct mirror_config *config, const char *root, struct mirror_plan *plan,
                    struct failure *failure)
{
        size_t n_named = config->registries.count, n_hosts = config->others.endpoints.count;
        struct mirror_chain *others;
        int r;

        for (size_t i = 0; i < n_named; i++)
                n_hosts += mirror_registry(config, i)->endpoints.count;
        plan->hosts = calloc(n_hosts + 1, sizeof(*plan->hosts));
        if (!plan->hosts)
                return -ENOMEM;
        for (size_t i = 0; i < n_named; i++) {
                r = add_chain(plan, root, mirror_registry(config, i), failure);
                if (r < 0)
                        return r;
        }
        if (config->others.endpoints.count == 0)
                return close_names(plan);
        r = add_chain(plan, root, &config->others, failure);
        if (r < 0)
                return r;
        /* A registry's own file hides the default's. */
        others = &plan->chains[plan->n_chains - 1];
        for (size_t i = 0; i < n_named; i++)
                for (size_t j = 0; j < others->n_hosts; j++)
                        chain_add(&plan->chains[i], others->hosts[j]);
        return close_names(plan);
}

static int load_shared(const char *root, struct mirror_plan *plan, struct failure *failure)
{
        _cleanup_free_ char *path = path_under(root, SHARED_AUTHORITIES);
        int r;

        if (!path)
                return -ENOMEM;
        if (access(path, F_OK) < 0 && errno == ENOENT)
                return 0;
        r = read_certificates(root, SHARED_AUTHORITIES, &plan->authorities_pem, failure);
        return r < 0 ? r : place_of("ca", plan->authorities_pem, &plan->authorities_path);
}

int mirror_plan_load(const struct mirror_config *config, const char *root, struct mirror_plan *ret,
                     struct failure *failure)
{
        _cleanup_plan_ plan = {};
        int r;

        plan.chains = calloc(MIRROR_CHAINS_MAX, sizeof(*plan.chains));
        if (!plan.chains)
                return -ENOMEM;
        r = load_shared(root, &plan, failure);
        if (r >= 0 && config)
                r = load_all(config, root, &plan, failure);
        if (r < 0)
                return r;
        /* custom-ca's authorities are for every registry. */
        if (plan.authorities_pem && !mirror_plan_find(&plan, NULL))
                plan.chains[plan.n_chains++] = (struct mirror_chain){ .fallback = true };
        *ret = plan;
        plan = (struct mirror_plan){};
        return 0;
}

const struct mirror_chain *mirror_plan_find(const struct mirror_plan *plan, const char *host)
{
        const struct mirror_chain *others = NULL;

        for (size_t i = 0; i < plan->n_chains; i++)
                if (!plan->chains[i].host)
                        others = &plan->chains[i];
                else if (host && strcmp(plan->chains[i].host, host) == 0)
                        return &plan->chains[i];
        return others;
}

/* Without the package ca-certificates there is none. */
static char *read_bundle(const char *root)
{
        _cleanup_free_ char *path = path_under(root, BUNDLE);
        char *text;
        size_t size;

        return path && file_read(path, BUNDLE_SIZE_MAX, &text, &size) >= 0 ? text : NULL;
}

int mirror_plan_trust(const struct mirror_plan *plan, const char *root, const struct mirror_host *host,
                      bool with_bundle, struct mirror_trust *ret)
{
        _cleanup_free_ char *bundle = with_bundle ? read_bundle(root) : NULL;
        const char *own = host ? host->ca_pem : NULL;
        struct mirror_trust trust = { .directory = path_under(root, "/etc/ssl/certs") };

        if (trust.directory && (bundle || own || plan->authorities_pem) &&
            asprintf(&trust.pem, "%s%s%s%s", bundle ?: "", bundle ? "\n" : "", own ?: "",
                     plan->authorities_pem ?: "") < 0)
                free(TAKE_PTR(trust.directory));
        if (!trust.directory)
                return -ENOMEM;
        *ret = trust;
        return 0;
}

void mirror_trust_clear(struct mirror_trust *trust)
{
        free(trust->pem);
        free(trust->directory);
        *trust = (struct mirror_trust){};
}
