/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A real docker-registry (Debian's) with TLS, and what it was asked. Failures fail the test. */

#include <sys/types.h>

#include "pki.h"

/* The base64 of user and password of a registry with `password`. */
#define REGISTRY_BASIC "bWlycm9yOmxldG1laW4="

struct registry {
        /* Set before registry_start. */
        const char *directory; /* its own: storage, certificates, logs */
        const char *address;   /* "127.0.0.3:5000" */
        const char *client_ca; /* PEM file: clients need a certificate of it; NULL: none */
        bool password;         /* Basic authentication, see REGISTRY_BASIC */

        pid_t pid;
};

/* Puts an image of one small layer into the registry's storage, whether it runs or not. */
void registry_put_image(const struct registry *registry, const char *repository, const char *tag);

/* identity is the server's. Waits until it serves. A registry can be stopped and started again. */
void registry_start(struct registry *registry, const struct identity *identity);
void registry_stop(struct registry *registry);

/* How often `text` is in its access log, a line a request in the combined log format: `"HEAD /v2/…`. NULL:
 * all requests. */
unsigned registry_asked(const struct registry *registry, const char *text);
/* What it was asked until now counts no longer. */
void registry_forget(const struct registry *registry);
