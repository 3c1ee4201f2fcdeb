/* SPDX-License-Identifier: Apache-2.0 */

#include "mirror-report.h"

#include "hosts-file.h"
#include "probe-report.h"
#include "watch.h"

static int describe_endpoint(json_object *endpoints, const struct mirror_host *host)
{
        const struct mirror_endpoint *endpoint = host->endpoint;
        json_object *object = json_object_new_object(), *capabilities = json_object_new_array();
        int r;

        r = json_append(endpoints, object);
        if (r < 0) {
                json_object_put(capabilities);
                return r;
        }
        r = json_set(object, "capabilities", capabilities);
        for (size_t i = 0; r >= 0 && i < endpoint->capabilities.count; i++)
                r = json_append(capabilities, json_object_new_string(endpoint->capabilities.items[i]));
        if (r >= 0)
                r = json_set_string(object, "url", endpoint->url);
        return r < 0 ? r : json_set_bool(object, "overridePath", endpoint->override_path);
}

static int describe_chain(json_object *registries, const struct mirror_chain *chain,
                          const struct mirror_facts *facts)
{
        _cleanup_free_ char *file = hosts_file_path(facts->directory, chain->host);
        json_object *object = json_object_new_object(), *endpoints = json_object_new_array();
        int r;

        r = json_append(registries, object);
        if (r < 0) {
                json_object_put(endpoints);
                return r;
        }
        r = json_set(object, "endpoints", endpoints);
        if (r < 0 || !file)
                return -ENOMEM;
        r = json_set_string(object, "registry", chain->host);
        if (r >= 0)
                r = json_set_bool(object, "fallback", chain->fallback);
        if (r >= 0)
                r = json_set_string(object, "file", file);
        for (size_t i = 0; r >= 0 && i < chain->n_hosts; i++)
                r = describe_endpoint(endpoints, chain->hosts[chain->order.hosts[i]]);
        return r;
}

static int describe_containerd(json_object *info, const struct mirror_facts *facts)
{
        json_object *object = json_object_new_object();
        char version[CONTAINERD_VERSION_SIZE];
        int r;

        r = json_set(info, "containerd", object);
        if (r >= 0)
                r = json_set_string(object, "version",
                                    containerd_version_known(&facts->containerd.version)
                                            ? containerd_version_format(&facts->containerd.version, version)
                                            : NULL);
        if (r >= 0)
                r = json_set_string(object, "configPath", facts->config.config_path);
        return r < 0 ? r
                     : json_set_string(object, "import",
                                       facts->drop_in ? facts->containerd.drop_in_path : NULL);
}

int mirror_describe(const struct mirror_plan *plan, const struct mirror_facts *facts, json_object **ret)
{
        _cleanup_json_ json_object *info = json_object_new_object();
        json_object *registries = json_object_new_array(), *foreign = json_object_new_array();
        int r;

        r = json_set(info, "registries", registries);
        if (r >= 0)
                r = json_set(info, "foreignDirectories", foreign);
        else
                json_object_put(foreign);
        if (r >= 0)
                r = describe_containerd(info, facts);
        for (size_t i = 0; r >= 0 && i < plan->n_chains; i++)
                r = describe_chain(registries, &plan->chains[i], facts);
        for (size_t i = 0; r >= 0 && i < facts->n_shadows; i++)
                r = json_append(foreign, json_object_new_string(facts->shadows[i].directory));
        if (r < 0)
                return r;
        *ret = TAKE_PTR(info);
        return 0;
}

int mirror_report(struct plugin_context *ctx, struct report *report)
{
        const struct mirror_watch *watch = ctx->userdata;
        int r;

        if (!watch)
                return 0;
        r = mirror_describe(&watch->plan, &watch->facts, &report->info);
        if (r >= 0)
                r = probe_report(watch->probes, report);
        if (r < 0 || !watch->restart_asked)
                return r;
        return report_add_restart_since(report, "containerd.service", watch->facts.containerd.drop_in,
                                        watch->facts.containerd.changed_usec);
}
