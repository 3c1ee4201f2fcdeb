/* SPDX-License-Identifier: Apache-2.0 */

#include "client-rate.h"

#include <string.h>

#include "quantity.h"

static struct client_rate *find(struct client_rates *rates, const uint8_t id[static CLIENT_ID_SIZE])
{
        struct client_rate *quietest = &rates->items[0];

        for (size_t i = 0; i < CLIENTS_MAX; i++) {
                struct client_rate *rate = &rates->items[i];

                if (rate->whole_usec > 0 && memcmp(rate->id, id, CLIENT_ID_SIZE) == 0)
                        return rate;
                if (rate->whole_usec < quietest->whole_usec)
                        quietest = rate;
        }
        *quietest = (struct client_rate){};
        memcpy(quietest->id, id, CLIENT_ID_SIZE);
        return quietest;
}

uint64_t client_rate_take(struct client_rates *rates, const uint8_t id[static CLIENT_ID_SIZE],
                          uint64_t now_usec, uint64_t per_second, uint64_t burst)
{
        const uint64_t interval = USEC_PER_SEC / per_second;
        struct client_rate *rate = find(rates, id);
        uint64_t whole = (rate->whole_usec > now_usec ? rate->whole_usec : now_usec) + interval;

        if (whole > now_usec + burst * interval)
                return whole - now_usec - burst * interval;
        rate->whole_usec = whole;
        return 0;
}
