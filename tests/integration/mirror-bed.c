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
        start(mirror, &bed->private_ca, "IP:127.0.0.3,IP:127.0.0.4");
}

static void make_node(const struct mirror_bed *bed, struct containerd *node, const char *suite)
{
        containerd_make_node(suite, node);
        identity_save(&bed->public_ca, node->root, "etc/ssl/certs/ca-certificates");
        identity_save(&bed->private_ca, node->root, "etc/mirror-ca");
        root_write(node->root, "etc/hosts",
                   BED_UPSTREAM " registry-1.docker.io registry.example.org other.example.org\n", 0644);
        containerd_start(node, NULL);
}

void bed_open(struct mirror_bed *bed)
{
        /* A registry that is stopped must not take the test along, whose proxy writes to it. */
        (void)signal(SIGPIPE, SIG_IGN);
        containerd_enter();
        *bed = (struct mirror_bed){ .root = root_make(),
                                    .public_ca = identity_make(NULL, "Public Root", NULL, true, 10),
                                    .private_ca = identity_make(NULL, "Corporate Root", NULL, true, 10) };
        make_registry(bed, &bed->upstream, "/upstream", "127.0.0.1:5443");
        make_registry(bed, &bed->one, "/one", BED_ONE);
        make_registry(bed, &bed->two, "/two", BED_TWO);
        registry_put_image(&bed->one, "dockerhub/library/tiny", "1");
        start(&bed->upstream, &bed->public_ca,
              "DNS:registry-1.docker.io,DNS:registry.example.org,DNS:other.example.org");
        bed_start_mirror(bed, &bed->one);
        bed_start_mirror(bed, &bed->two);
        bed->recorder = (struct proxy){ .address = BED_UPSTREAM, .port = 443, .target_port = UPSTREAM_PORT };
        proxy_start(&bed->recorder);
        for (size_t i = 0; i < BED_NODES; i++)
                make_node(bed, &bed->nodes[i], suites[i]);
        bed_forget(bed);
}

void bed_close(struct mirror_bed *bed)
{
        struct registry *registries[] = { &bed->upstream, &bed->one, &bed->two };

        for (size_t i = 0; i < BED_NODES; i++)
                containerd_remove_node(&bed->nodes[i]);
        proxy_stop(&bed->recorder);
        for (size_t i = 0; i < ELEMENTS(registries); i++) {
                registry_stop(registries[i]);
                free((char *)registries[i]->directory);
        }
        identity_clear(&bed->public_ca);
        identity_clear(&bed->private_ca);
        root_remove(bed->root);
}

void bed_forget(struct mirror_bed *bed)
{
        registry_forget(&bed->upstream);
        registry_forget(&bed->one);
        registry_forget(&bed->two);
        atomic_store(&bed->recorder.connections, 0);
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
