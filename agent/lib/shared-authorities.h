/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The authorities that custom-ca shares with registry-mirror ("containerd": true), as one canonical PEM text;
 * no file: none. Written whole and renamed into place, 0600, below the root of an image as everything is. */
#define SHARED_AUTHORITIES_NAME "custom-ca/containerd.pem" /* below the state of all capabilities */
#define SHARED_AUTHORITIES      "/var/lib/capi-node-agent/" SHARED_AUTHORITIES_NAME
