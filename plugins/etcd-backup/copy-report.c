/* SPDX-License-Identifier: Apache-2.0 */

#include "copy-report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NUMBER_SIZE 21 /* of 64 bits */

int copy_report_append(json_object *array, const char *target, const struct copy *copy)
{
        _cleanup_json_ json_object *object = NULL;
        _cleanup_free_ char *text = NULL;
        int r;

        r = manifest_format(copy->manifest, true, &text);
        if (r < 0)
                return r;
        r = json_parse(text, strlen(text), &object, NULL);
        if (r < 0)
                return r;
        r = json_set_string(object, "target", target);
        if (r < 0)
                return r;
        r = json_set_bool(object, "whole", copy->whole);
        if (r < 0)
                return r;
        return json_append(array, TAKE_PTR(object));
}

static const char *result_name(int error, enum proof proof)
{
        if (error == -ENOKEY || error == -EKEYREJECTED)
                return "Refused";
        if (error < 0)
                return "Damaged";
        switch (proof) {
        case PROOF_STORED_BYTES:
                return "StoredBytesVerified";
        case PROOF_CONTENT:
                return "Verified";
        }
        return NULL;
}

static void print_content(const char *name, const struct archive_facts *facts)
{
        if (facts->walked)
                printf("%s: verified: revision %" PRId64 ", %" PRIu64 " keys, hash %" PRIx32 "\n", name,
                       facts->database.revision, facts->database.keys, facts->database.hash);
        else
                printf("%s: %s\n", name, facts->unwalked.message);
}

void proof_report_print(const char *target, const char *name, int error, enum proof proof,
                        const struct archive_facts *facts, const struct failure *failure)
{
        if (target)
                printf("%-10s ", target);
        if (error < 0)
                printf("%s: %s: %s\n", name,
                       error == -ENOKEY || error == -EKEYREJECTED ? "REFUSED" : "DAMAGED",
                       failure->message ?: strerror(-error));
        else if (proof == PROOF_STORED_BYTES)
                printf("%s: stored bytes verified; what is inside needs --identity FILE to prove\n", name);
        else
                print_content(name, facts);
}

/* What the walk found; names as in the manifest. */
static int set_database(json_object *object, const struct etcd_database *database)
{
        json_object *members = json_object_new_array();
        char text[NUMBER_SIZE];
        int r;

        r = json_set(object, "memberIds", members);
        for (size_t i = 0; i < database->n_members && r >= 0; i++) {
                (void)snprintf(text, sizeof(text), "%016" PRIx64, database->members[i]);
                r = json_append(members, json_object_new_string(text));
        }
        if (r < 0)
                return r;
        (void)snprintf(text, sizeof(text), "%" PRIx32, database->hash);
        r = json_set_string(object, "hash", text);
        if (r < 0)
                return r;
        r = json_set_integer(object, "revision", database->revision);
        if (r < 0)
                return r;
        r = json_set_integer(object, "keyCount", (int64_t)database->keys);
        if (r < 0)
                return r;
        return json_set_integer(object, "consistentIndex", (int64_t)database->consistent_index);
}

int proof_report_append(json_object *results, const char *target, const char *name, int error,
                        enum proof proof, const struct archive_facts *facts, const struct failure *failure)
{
        _cleanup_json_ json_object *object = json_object_new_object();
        int r;

        if (!object || (target && json_set_string(object, "target", target) < 0) ||
            json_set_string(object, "name", name) < 0 ||
            json_set_string(object, "result", result_name(error, proof)) < 0 ||
            json_set_string(object, "reason", failure->reason) < 0 ||
            json_set_string(object, "message", failure->message) < 0 ||
            json_set_bool(object, "walked", facts->walked) < 0)
                return -ENOMEM;
        r = facts->walked ? set_database(object, &facts->database) : 0;
        return r < 0 ? r : json_append(results, TAKE_PTR(object));
}
