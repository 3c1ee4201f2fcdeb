/* SPDX-License-Identifier: Apache-2.0 */

#include "demotion.h"

#include "hosts-file.h"

static void add(const struct mirror_chain *chain, const bool *is_demoted, bool demoted, size_t *n,
                struct mirror_order *order)
{
        for (size_t i = 0; i < chain->n_hosts; i++)
                if (is_demoted[i] == demoted)
                        order->hosts[(*n)++] = i;
}

/* Whoever must not be asked is not asked earlier either; all others have no name to put there; and a host
 * that stands twice makes containerd ignore the file. */
static bool can_name_upstream(const struct mirror_chain *chain)
{
        _cleanup_free_ char *upstream =
                chain->fallback && chain->host ? hosts_file_upstream(chain->host) : NULL;

        if (!upstream)
                return false;
        for (size_t i = 0; i < chain->n_hosts; i++)
                if (mirror_same_url(chain->hosts[i]->endpoint->url, upstream))
                        return false;
        return true;
}

void demotion_order(const struct mirror_chain *chain, const bool *is_demoted, struct mirror_order *ret)
{
        size_t n = 0;

        add(chain, is_demoted, false, &n, ret);
        ret->before_upstream = n;
        add(chain, is_demoted, true, &n, ret);
        if (!can_name_upstream(chain))
                ret->before_upstream = n;
}
