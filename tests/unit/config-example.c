/* SPDX-License-Identifier: Apache-2.0 */
#include "config-example.h"

#include "quantity.h"

static const struct config_key tier_keys[] = {
        { "every", "One copy per this span.", CONFIG_DURATION, offsetof(struct example_tier, every_usec),
          .required = true, .minimum = USEC_PER_MIN },
        { "for", "Age up to which the tier holds.", CONFIG_DURATION, offsetof(struct example_tier, for_usec),
          .required = true },
        {},
};

static int check_tier(const void *object, const char *pointer, struct failure *failure)
{
        const struct example_tier *tier = object;

        if (tier->for_usec < tier->every_usec)
                return failure_set(failure, -EINVAL, "InvalidConfiguration", "%s/for: shorter than \"every\"",
                                   pointer);
        return 0;
}

static const struct config_type tier_type = { "tier", "One step of thinning.", sizeof(struct example_tier),
                                              tier_keys, check_tier };

static const struct config_key retention_keys[] = {
        { "keepLast", "Copies that are always kept.", CONFIG_INTEGER,
          offsetof(struct example_retention, keep_last), .fallback = "12", .minimum = 1, .maximum = 1000 },
        { "maxBytes", "Size of all copies.", CONFIG_SIZE, offsetof(struct example_retention, max_bytes),
          .minimum = 1 << 20, .maximum = UINT64_C(1) << 40 },
        { "minFree", "Space left to others.", CONFIG_PERCENT, offsetof(struct example_retention, min_free),
          .fallback = "\"10%\"", .maximum = 90 },
        { "tiers", "Thinning by age.", CONFIG_OBJECTS, offsetof(struct example_retention, tiers),
          .maximum = 3, .type = &tier_type },
        {},
};

static const struct config_type retention_type = { "retention", "What is kept.",
                                                   sizeof(struct example_retention), retention_keys };

static const char *const target_types[] = { "directory", "s3", NULL };

static const struct config_key target_keys[] = {
        { "name", "Name in reports.", CONFIG_STRING, offsetof(struct example_target, name), .required = true,
          .check = config_check_name },
        { "type", "Kind of place.", CONFIG_ENUM, offsetof(struct example_target, type),
          .fallback = "\"directory\"", .names = target_types },
        { "path", "Directory.", CONFIG_STRING, offsetof(struct example_target, path),
          .check = config_check_path },
        { "endpoint", "URL of the service.", CONFIG_STRING, offsetof(struct example_target, endpoint),
          .check = config_check_url },
        { "retention", NULL, CONFIG_OBJECT, offsetof(struct example_target, retention),
          .type = &retention_type },
        {},
};

static int check_target(const void *object, const char *pointer, struct failure *failure)
{
        const struct example_target *target = object;

        if (target->type == TARGET_DIRECTORY && !target->path)
                return failure_set(failure, -EINVAL, "InvalidConfiguration",
                                   "%s/path: missing; a target of type directory needs it", pointer);
        return 0;
}

static const struct config_type target_type = { "target", "A place for copies.",
                                                sizeof(struct example_target), target_keys, check_target };

static const struct config_key registry_keys[] = {
        { "fallback", "Ask the registry itself last.", CONFIG_BOOL,
          offsetof(struct example_registry, fallback), .fallback = "true" },
        { "urls", "Where to ask first.", CONFIG_STRINGS, offsetof(struct example_registry, urls),
          .required = true, .minimum = 1, .maximum = 2, .check = config_check_url },
        {},
};

static const struct config_type registry_type = { "registry", NULL, sizeof(struct example_registry),
                                                  registry_keys };

static const struct config_key encryption_keys[] = {
        { "recipients", "Public keys.", CONFIG_STRINGS, offsetof(struct example_encryption, recipients),
          .required = true, .minimum = 1 },
        { "keyFile", "Key file.", CONFIG_STRING, offsetof(struct example_encryption, key_file),
          .fallback = "\"/etc/key\"", .check = config_check_path },
        {},
};

static int check_encryption(const void *object, const char *pointer, struct failure *failure)
{
        const struct example_encryption *encryption = object;

        if (encryption->recipients.count == 0)
                return failure_set(failure, -EINVAL, "InvalidConfiguration",
                                   "%s: asked about what is not there", pointer);
        return 0;
}

static const struct config_type encryption_type = { "encryption", NULL, sizeof(struct example_encryption),
                                                    encryption_keys, check_encryption };

static const struct config_key example_keys[] = {
        { "schedule", "When.", CONFIG_STRING, offsetof(struct example, schedule), .fallback = "\"daily\"",
          .check = config_check_calendar },
        { "maxAge", "Oldest good copy.", CONFIG_DURATION, offsetof(struct example, max_age_usec),
          .fallback = "\"5h\"", .minimum = USEC_PER_MIN, .maximum = 14 * USEC_PER_DAY },
        { "cluster", "Free text.", CONFIG_STRING, offsetof(struct example, cluster), .minimum = 1,
          .maximum = 80 },
        { "enabled", "Whether at all.", CONFIG_BOOL, offsetof(struct example, enabled), .fallback = "true" },
        { "offset", "A number around zero.", CONFIG_INTEGER, offsetof(struct example, offset),
          .minimum = (uint64_t)-5 },
        { "paths", "What is watched.", CONFIG_STRINGS, offsetof(struct example, paths),
          .fallback = "[\"/\", \"/var\"]", .check = config_check_path },
        { "targets", "Where to.", CONFIG_OBJECTS, offsetof(struct example, targets), .required = true,
          .minimum = 1, .maximum = 8, .type = &target_type },
        { "registries", "By host.", CONFIG_MAP, offsetof(struct example, registries), .type = &registry_type,
          .check = config_check_name },
        { "encryption", "Optional as a whole.", CONFIG_OBJECT, offsetof(struct example, encryption),
          .type = &encryption_type },
        {},
};

const struct config_type example_type = { "example", "A capability that is none.", sizeof(struct example),
                                          example_keys };
