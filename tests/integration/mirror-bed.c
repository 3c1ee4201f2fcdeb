/* SPDX-License-Identifier: Apache-2.0 */

#include "mirror-bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <string.h>

#include "cleanup.h"
#include "files.h"
#include "program.h"

#define UPSTREAM_PORT 5443

static const char *const suites[BED_NODES] = { "bookworm", "trixie", "sid" };

static void make_registry(struct mirror_bed *bed, struct registry *registry, const char *name,
                          const char *address)
{
        *registry = (struct registry){ .directory = path_under(bed->root, name), .address = address };
        assert_non_null(registry->directory);
        assert_int_equal(directory_make(registry->directory, 0755), 0);
        registry_put_image(registry, "library/tiny", "1");
        registry_put_image(registry, "team/tool", "1");
}

static void start(struct registry *registry, const struct identity *issuer, const char *names)
{
        struct identity server = identity_make_server(issuer, names);

        registry_start(registry, &server);
        identity_clear(&server);
}

void bed_start_mirror(struct mirror_bed *bed, struct registry *mirror)
{
        start(mirror, &bed->private_ca, "IP:127.0.0.3,IP:127.0.0.4,IP:127.0.0.6,DNS:two.example.org");
}

/* As update-ca-certificates(8) does. */
static void rehash(const char *root)
{
        _cleanup_free_ char *command = NULL;

        assert_true(asprintf(&command, "openssl rehash %s/etc/ssl/certs", root) > 0);
        assert_int_equal(system(command), 0);
}

static void make_node(const struct mirror_bed *bed, struct containerd *node, const char *suite)
{
        containerd_make_node(suite, node);
        identity_save(&bed->public_ca, node->root, "etc/ssl/certs/ca-certificates");
        rehash(node->root);
        identity_save(&bed->private_ca, node->root, "etc/mirror-ca");
        identity_save(&bed->client, node->root, "etc/client");
        root_write(node->root, "etc/headers", "Authorization: Basic " REGISTRY_BASIC "\n", 0600);
        root_write(node->root, "etc/hosts",
                   BED_UPSTREAM " registry-1.docker.io registry.example.org\n127.0.0.4 two.example.org\n",
                   0644);
        containerd_start(node, NULL);
}

void bed_open(struct mirror_bed *bed)
{
        _cleanup_free_ char *ca = NULL;

        /* A registry that is stopped must not take the test along, whose proxy writes to it. */
        (void)signal(SIGPIPE, SIG_IGN);
        containerd_enter();
        *bed = (struct mirror_bed){ .root = root_make(),
                                    .public_ca = identity_make(NULL, "Public Root", NULL, true, 10),
                                    .private_ca = identity_make(NULL, "Corporate Root", NULL, true, 10) };
        bed->client = identity_make(&bed->private_ca, "node", NULL, false, 10);
        make_registry(bed, &bed->upstream, "/upstream", "127.0.0.1:5443");
        make_registry(bed, &bed->one, "/one", BED_ONE);
        make_registry(bed, &bed->two, "/two", BED_TWO);
        make_registry(bed, &bed->safe, "/safe", BED_SAFE);
        bed->safe.password = true;
        bed->safe.client_ca = ca = path_under(bed->root, "/ca.crt");
        identity_save(&bed->private_ca, bed->root, "ca");
        registry_put_image(&bed->one, "dockerhub/library/tiny", "1");
        registry_put_image(&bed->two, "library/second", "1");
        registry_put_image(&bed->upstream, "library/second", "1");
        registry_put_image(&bed->upstream, "library/upstream", "1");
        start(&bed->upstream, &bed->public_ca, "DNS:registry-1.docker.io,DNS:registry.example.org");
        bed_start_mirror(bed, &bed->one);
        bed_start_mirror(bed, &bed->two);
        bed_start_mirror(bed, &bed->safe);
        bed->recorder = (struct proxy){ .address = BED_UPSTREAM, .port = 443, .target_port = UPSTREAM_PORT };
        proxy_start(&bed->recorder);
        for (size_t i = 0; i < BED_NODES; i++)
                make_node(bed, &bed->nodes[i], suites[i]);
        bed_forget(bed);
}

void bed_close(struct mirror_bed *bed)
{
        struct registry *registries[] = { &bed->upstream, &bed->one, &bed->two, &bed->safe };

        for (size_t i = 0; i < BED_NODES; i++)
                containerd_remove_node(&bed->nodes[i]);
        proxy_stop(&bed->recorder);
        for (size_t i = 0; i < ELEMENTS(registries); i++) {
                registry_stop(registries[i]);
                free((char *)registries[i]->directory);
        }
        identity_clear(&bed->public_ca);
        identity_clear(&bed->private_ca);
        identity_clear(&bed->client);
        root_remove(bed->root);
}

void bed_forget(struct mirror_bed *bed)
{
        registry_forget(&bed->upstream);
        registry_forget(&bed->one);
        registry_forget(&bed->two);
        registry_forget(&bed->safe);
        atomic_store(&bed->recorder.connections, 0);
}

void bed_apply(const struct containerd *node, const char *configuration)
{
        root_write(node->root, "etc/capi-node-agent/registry-mirror.json", configuration, 0600);
        assert_int_equal(program_wait(
                                 program_start(REGISTRY_MIRROR,
                                               (const char *const[]){ "apply", "--root", node->root, NULL })),
                         0);
}

void bed_pull(const struct containerd *node, const char *image)
{
        _cleanup_failure_ failure = {};

        if (containerd_pull(node, image, &failure) < 0)
                fail_msg("%s: %s", node->suite, failure.message);
}

void bed_pull_fails(const struct containerd *node, const char *image)
{
        _cleanup_failure_ failure = {};

        if (containerd_pull(node, image, &failure) == 0)
                fail_msg("%s: %s was pulled", node->suite, image);
}

unsigned bed_upstream(struct mirror_bed *bed)
{
        return atomic_load(&bed->recorder.connections);
}
