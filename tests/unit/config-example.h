/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A configuration with every kind of key, shaped like a capability's: what the test and the fuzzer of
 * config.c read. */

#include "config.h"

struct example_tier {
        uint64_t every_usec, for_usec;
};

struct example_retention {
        int64_t keep_last;
        uint64_t max_bytes;
        double min_free;
        struct config_objects tiers;
};

enum example_target_type {
        TARGET_DIRECTORY,
        TARGET_S3,
};

struct example_target {
        char *name;
        int type;
        char *path;
        char *endpoint;
        struct example_retention retention;
};

struct example_registry {
        char *host;
        bool fallback;
        struct config_strings urls;
};

struct example_encryption {
        struct config_strings recipients;
        char *key_file;
};

struct example {
        char *schedule;
        uint64_t max_age_usec;
        char *cluster;
        bool enabled;
        int64_t offset;
        struct config_strings paths;
        struct config_objects targets;
        struct config_objects registries;
        struct example_encryption encryption;
};

extern const struct config_type example_type;
