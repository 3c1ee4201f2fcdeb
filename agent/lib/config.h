/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Strict JSON configuration from declarative tables. Each key is declared once, in a table; parsing, the
 * errors, the JSON Schema (`capi-node schema NAME`) and the manual's list of keys come from it.
 *
 * Every refusal is one line: FILE: /json/pointer: what was found; what is allowed; the nearest key. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"
#include "failure.h"

#define CONFIG_SIZE_MAX    (256 * 1024) /* user-data is limited to 64 KiB; CA bundles by file may be larger */
#define CONFIG_API_VERSION "capi-node-agent/v1"

enum config_kind {
        CONFIG_STRING,   /* char * */
        CONFIG_BOOL,     /* bool */
        CONFIG_INTEGER,  /* int64_t, within minimum and maximum */
        CONFIG_DURATION, /* uint64_t microseconds, within minimum and maximum */
        CONFIG_SIZE,     /* uint64_t bytes, within minimum and maximum */
        CONFIG_PERCENT,  /* double, a fraction */
        CONFIG_ENUM,     /* int, index into names */
        CONFIG_STRINGS,  /* struct config_strings */
        CONFIG_INTEGERS, /* struct config_integers; minimum and maximum are of each, at least one, at most
                            CONFIG_INTEGERS_MAX */
        CONFIG_OBJECT,   /* the struct of `type`, embedded */
        CONFIG_OBJECTS,  /* struct config_objects, elements of `type` */
        CONFIG_MAP,      /* struct config_objects; the first member of the element's struct is char *key */
};

struct config_strings {
        char **items;
        size_t count;
};

#define CONFIG_INTEGERS_MAX 64

struct config_integers {
        int64_t *items;
        size_t count;
};

struct config_objects {
        void *items; /* count elements of type->size bytes */
        size_t count;
};

struct config_type;

struct config_key {
        const char *name;
        const char *help; /* one sentence, for the schema and the manual */
        enum config_kind kind;
        size_t offset; /* in the struct of the type that the table belongs to */
        bool required;
        /* What an absent key means, as JSON text: "\"5m\"", "true", "[\"/\"]". NULL: zero, NULL or empty; an
         * absent CONFIG_OBJECT is read as {} so that its own fallbacks hold; keys that it requires are then
         * zero, and its type's check is not asked. */
        const char *fallback;
        /* Of the value (percent: whole percents; a negative minimum is cast), of a string's length in bytes,
         * or of the number of elements. maximum 0: no bound of its own. */
        uint64_t minimum, maximum;
        const char *const *names; /* CONFIG_ENUM: NULL-terminated */
        const struct config_type *type;
        /* Further rule for a string, for each of a list, or for the keys of a map. Returns 0, or -EINVAL with
         * *ret_allowed set to a static text: "an absolute path". */
        int (*check)(const char *value, const char **ret_allowed);
};

struct config_type {
        const char *name; /* of the capability for a top-level type: "etcd-backup" */
        const char *help;
        size_t size;
        const struct config_key *keys; /* ends with an entry without a name */
        /* Rules over several keys. pointer is the object's own JSON pointer ("" at the top); returns 0, or
         * -EINVAL with a failure whose message starts at the pointer. May be NULL. */
        int (*check)(const void *object, const char *pointer, struct failure *failure);
};

/* Checks for strings that several capabilities need. */
int config_check_path(const char *value, const char **ret_allowed); /* absolute, no "..", at most PATH_MAX */
int config_check_url(const char *value,
                     const char **ret_allowed); /* http:// or https:// with a host, no user */
int config_check_calendar(const char *value, const char **ret_allowed); /* see calendar.h */
int config_check_name(const char *value, const char **ret_allowed);     /* [A-Za-z0-9][A-Za-z0-9._-]{0,62} */

/* Parses text into a new, zeroed struct of type->size bytes. `file` is for messages only. Returns -EINVAL
 * with a failure (InvalidJSON, InvalidConfiguration), -EPROTONOSUPPORT for an unknown apiVersion
 * (UnknownApiVersion), or -ENOMEM. */
int config_parse(const struct config_type *type, const char *file, const char *text, size_t size, void **ret,
                 struct failure *failure);

/* Frees a parsed struct with all it owns, secrets zeroed (strings are cleansed before they are freed). NULL
 * is fine. */
void config_free(const struct config_type *type, void *object);

/* The JSON Schema (draft 2020-12) of the type, pretty-printed; owned by the caller. NULL: no memory. */
char *config_schema(const struct config_type *type);

/* The nearest of the type's key names to `name` (edit distance at most a third of its length), or NULL. */
const char *config_nearest(const struct config_type *type, const char *name);
