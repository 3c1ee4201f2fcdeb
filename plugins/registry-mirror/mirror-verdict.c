/* SPDX-License-Identifier: Apache-2.0 */

#include "mirror-verdict.h"

#include <stdarg.h>

static bool _printf_(4, 5) say(struct mirror_verdict *verdict, enum condition_status status,
                               const char *reason, const char *format, ...)
{
        va_list arguments;

        verdict->status = status;
        snprintf(verdict->reason, sizeof(verdict->reason), "%s", reason);
        va_start(arguments, format);
        (void)vsnprintf(verdict->message, sizeof(verdict->message), format, arguments);
        va_end(arguments);
        return status == CONDITION_TRUE;
}

/* Whether containerd looks at what we write at all. */
static bool judge_config(const struct mirror_facts *facts, struct mirror_verdict *verdict)
{
        const struct containerd_config *config = &facts->config;

        if (facts->config_failure.reason)
                return say(verdict, CONDITION_FALSE, facts->config_failure.reason, "%s",
                           facts->config_failure.message);
        if (config->mirrors)
                return say(verdict, CONDITION_FALSE, "MirrorsInContainerdConfig",
                           "%s sets registry.mirrors or the TLS of registry.configs, which exclude "
                           "config_path; move them to registry-mirror.json",
                           config->path);
        if (containerd_config_is_list(config))
                return say(verdict, CONDITION_FALSE, "ConfigPathNotOneDirectory",
                           "config_path is \"%s\" in containerd's configuration, which containerd 2.1 takes "
                           "for one directory; set it to \"%s\"",
                           config->config_path, CERTS_DIRECTORY);
        if (config->config_path || facts->drop_in)
                return true;
        if (config->overridden_by)
                return say(verdict, CONDITION_FALSE, "ConfigPathMissing",
                           "containerd's configuration has no config_path, and %s would replace the one "
                           "that is put into %s; set it in %s",
                           config->overridden_by, config->drop_in, config->overridden_by);
        return say(
                verdict, CONDITION_FALSE, "ConfigPathMissing",
                "%s has no config_path, and no imports = [\"/etc/containerd/conf.d/*.toml\"] (of version 2 "
                "or later) by which it could be added; set config_path to \"%s\" in the image",
                config->path, CERTS_DIRECTORY);
}

/* Another's directory for a registry of ours; or one that lets the default be passed by silently, or against
 * its word. */
static bool judge_shadows(const struct mirror_situation *situation, struct mirror_verdict *verdict)
{
        const struct mirror_chain *others = mirror_plan_find(situation->plan, NULL);
        const struct mirror_facts *facts = situation->facts;

        for (size_t i = 0; i < facts->n_shadows; i++) {
                const struct mirror_shadow *shadow = &facts->shadows[i];

                if (shadow->host)
                        return say(verdict, CONDITION_FALSE, "ForeignDirectory",
                                   "%s is somebody else's, so that containerd does not learn the mirrors of "
                                   "%s; move it away",
                                   shadow->directory, shadow->host);
                if (shadow->empty || (others && !others->fallback))
                        return say(verdict, CONDITION_FALSE, "ForeignDirectory",
                                   "%s is somebody else's%s and keeps containerd from \"default\" for the "
                                   "registry of that name; move it away, or configure that registry",
                                   shadow->directory, shadow->empty ? ", has no hosts.toml," : "");
        }
        return true;
}

bool mirror_judge(const struct mirror_situation *situation, struct mirror_verdict *ret)
{
        const struct mirror_facts *facts = situation->facts;
        size_t n_named = 0;

        if (situation->failure)
                return say(ret, CONDITION_FALSE, situation->failure->reason ?: "MirrorsNotPublished", "%s",
                           situation->failure->message ?: "cannot publish the mirrors");
        if (!judge_config(facts, ret) || !judge_shadows(situation, ret))
                return false;
        if (situation->restart_pending && situation->restart_asked)
                return say(ret, CONDITION_FALSE, "RestartPending",
                           "containerd learns of %s when it is restarted, which the agent was asked for",
                           facts->directory);
        if (situation->restart_pending)
                return say(ret, CONDITION_FALSE, "RestartPending",
                           "containerd learns of %s when it is restarted, and the kubelet runs: type: "
                           "systemctl restart containerd, or set \"allowRestart\": true",
                           facts->directory);
        for (size_t i = 0; i < situation->plan->n_chains; i++)
                n_named += situation->plan->chains[i].host && !situation->plan->chains[i].of;
        return say(ret, CONDITION_TRUE, "MirrorsInPlace", "%zu registries%s have their hosts.toml below %s",
                   n_named, mirror_plan_find(situation->plan, NULL) ? " and the default" : "",
                   facts->directory);
}
