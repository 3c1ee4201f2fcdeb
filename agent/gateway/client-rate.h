/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* How often each client may ask. A client is a certificate, not an address: behind one NAT there are many,
 * and who has a certificate is known by it. Pure: time is a parameter. */

#include <stdint.h>

#define CLIENT_ID_SIZE 16
#define CLIENTS_MAX    256 /* remembered; beyond, the one that has been quiet for longest is forgotten */

struct client_rate {
        uint8_t id[CLIENT_ID_SIZE];
        uint64_t whole_usec; /* when its allowance will be whole again (GCRA); 0: this place is free */
};

struct client_rates {
        struct client_rate items[CLIENTS_MAX];
};

/* Counts one request of the client, which may make per_second on average and `burst` at once. Returns 0, or
 * after how many microseconds it may ask (then the request does not count). */
uint64_t client_rate_take(struct client_rates *rates, const uint8_t id[static CLIENT_ID_SIZE],
                          uint64_t now_usec, uint64_t per_second, uint64_t burst);
