/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the gateway serves with: its configuration, certificate, key and client CA, checked here and placed
 * where the gateway's user can read them and nobody else. kubeadm's ca.crt and a key belong to root with mode
 * 0600 or 0640, and systemd reads credentials only once, so neither would reach an unprivileged process that
 * has to follow renewals. */

#include <systemd/sd-event.h>

#include "capability.h"

#define GATEWAY_GROUP "_capi-node-gateway"

struct gateway_material;

/* state_dir is where the key and certificate are made that a configuration without certFile leaves to us.
 * group is the one that may read what is placed (borrowed; NULL: as it comes, for tests). changed is called
 * when one of the named files may have changed: then call gateway_material_update. */
int gateway_material_new(sd_event *event, const char *config_path, const char *state_dir,
                         const char *directory, const char *group, void (*changed)(void *userdata),
                         void *userdata, struct gateway_material **ret);
struct gateway_material *gateway_material_free(struct gateway_material *material);
DEFINE_CLEANUP(struct gateway_material *, gateway_material_free)

/* Checks and places what changed, or withdraws everything when gateway.json is gone; keeps what was placed
 * before when the new material is not good. The outcome becomes the report of the capability "gateway".
 * Returns 0 or -errno of the agent's own trouble. */
int gateway_material_update(struct gateway_material *material, struct capabilities *capabilities);

/* Whether the gateway has what it needs, so that its unit should run. */
bool gateway_material_placed(const struct gateway_material *material);

/* Where and as whom the gateway can be known: "PORT sha256/PIN" of what is placed (the first address' port;
 * the pin of certificate_pin). NULL when nothing is. */
const char *gateway_material_address(const struct gateway_material *material);
