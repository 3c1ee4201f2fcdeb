/* SPDX-License-Identifier: Apache-2.0 */

#include "configuration.h"

#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "age-key.h"
#include "files.h"
#include "include.h"
#include "plugin.h"
#include "quantity.h"

/* One for each who may restore; the header is written for each of them, to every copy. */
#define RECIPIENTS_MAX 64

static bool lies_below(const char *path, const char *const *directories)
{
        for (; *directories; directories++) {
                size_t size = strlen(*directories);

                if (strncmp(path, *directories, size) == 0 && (path[size] == '/' || path[size] == '\0'))
                        return true;
        }
        return false;
}

/* What a reboot empties, and what the snapshot's unit cannot write: there a copy would seem to be and then be
 * gone. */
static int check_target_path(const char *value, const char **ret_allowed)
{
        static const char *const unfit[] = { "/tmp",  "/var/tmp", "/run",  "/var/run", "/dev",
                                             "/proc", "/sys",     "/home", "/root",    "/usr",
                                             "/etc",  "/boot",    NULL };
        int r;

        r = config_check_path(value, ret_allowed);
        if (r < 0 || !lies_below(value, unfit))
                return r;
        *ret_allowed = "a directory that lasts and that the snapshot's unit may write: not below /tmp, "
                       "/var/tmp, /run, /dev, /proc, /sys, /home, /root, /usr, /etc or /boot";
        return -EINVAL;
}

/* What the snapshot's unit does not see (ProtectHome, PrivateTmp): there a file would do for whoever tries by
 * hand, and for no run of the timer. */
static int check_read_path(const char *value, const char **ret_allowed)
{
        static const char *const unseen[] = { "/tmp", "/var/tmp", "/home", "/root", "/run/user", NULL };
        int r;

        r = config_check_path(value, ret_allowed);
        if (r < 0 || !lies_below(value, unseen))
                return r;
        *ret_allowed =
                "a file that the snapshot's unit sees: not below /tmp, /var/tmp, /home, /root or /run/user";
        return -EINVAL;
}

/* https://host[:port] and no more: the bucket is a key of its own. */
static int check_endpoint(const char *value, const char **ret_allowed)
{
        const char *host = strstr(value, "://");
        int r;

        r = config_check_url(value, ret_allowed);
        *ret_allowed = "a URL like \"https://s3.example.org:9000\", without a path";
        if (r < 0 || strpbrk(host + 3, "/?#"))
                return -EINVAL;
        return 0;
}

/* What every server takes, and what stands in a host name for virtual addressing. */
static int check_bucket(const char *value, const char **ret_allowed)
{
        size_t length = strlen(value);

        *ret_allowed = "a bucket's name: 3 to 63 lower-case letters, digits, \".\" and \"-\"";
        return length >= 3 && length <= 63 &&
                               strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789.-") == length &&
                               !strchr(".-", value[0]) && !strstr(value, "..")
                       ? 0
                       : -EINVAL;
}

/* Characters that need no encoding anywhere, so that a key looks the same in every listing and URL. */
static int check_prefix(const char *value, const char **ret_allowed)
{
        static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-/";
        size_t length = strlen(value);

        *ret_allowed = "letters, digits, \".\", \"_\", \"-\" and \"/\", without an empty part, \".\" or "
                       "\"..\" between slashes: \"prod-1/\"";
        if (length == 0 || length > 512 || strspn(value, allowed) != length)
                return -EINVAL;
        for (const char *part = value; *part;) {
                size_t size = strcspn(part, "/");

                if (size == 0 || (size <= 2 && strspn(part, ".") == size))
                        return -EINVAL;
                part += size + (part[size] == '/');
        }
        return 0;
}

static const char *const target_kinds[] = { [TARGET_DIRECTORY] = "directory", [TARGET_S3] = "s3", NULL };
static const char *const addressings[] = {
        [S3_ADDRESSING_PATH] = "path", [S3_ADDRESSING_VIRTUAL] = "virtual", NULL
};

const char *target_kind_name(int kind)
{
        return target_kinds[kind];
}

static const struct config_key target_keys[] = {
        { .name = "name",
          .help = "What reports and metrics call this target.",
          .kind = CONFIG_STRING,
          .offset = offsetof(struct backup_target, name),
          .required = true,
          .check = config_check_name },
        { .name = "type",
          .help = "What kind of place it is.",
          .kind = CONFIG_ENUM,
          .offset = offsetof(struct backup_target, kind),
          .fallback = "\"directory\"",
          .names = target_kinds },
        { .name = "path",
          .help = "Of a directory: where it is; made with mode 0700 when it is missing.",
          .kind = CONFIG_STRING,
          .offset = offsetof(struct backup_target, path),
          .check = check_target_path },
        { .name = "endpoint",
          .help = "Of S3: the server's URL, without the bucket.",
          .kind = CONFIG_STRING,
          .offset = offsetof(struct backup_target, s3.endpoint),
          .check = check_endpoint },
        { .name = "region",
          .help = "Of S3: the region in the signature.",
          .kind = CONFIG_STRING,
          .offset = offsetof(struct backup_target, s3.region),
          .fallback = "\"us-east-1\"",
          .check = config_check_name },
        { .name = "bucket",
          .help = "Of S3: the bucket, which exists already.",
          .kind = CONFIG_STRING,
          .offset = offsetof(struct backup_target, s3.bucket),
          .check = check_bucket },
        { .name = "prefix",
          .help = "Of S3: what every key begins with, as \"prod-1/\"; several clusters may share it.",
          .kind = CONFIG_STRING,
          .offset = offsetof(struct backup_target, s3.prefix),
          .check = check_prefix },
        { .name = "addressing",
          .help = "Of S3: whether the bucket stands in the path or in the host name.",
          .kind = CONFIG_ENUM,
          .offset = offsetof(struct backup_target, s3.addressing),
          .fallback = "\"path\"",
          .names = addressings },
        { .name = "caFile",
          .help = "Of S3: PEM file with the only authorities that are trusted; without it the system's are.",
          .kind = CONFIG_STRING,
          .offset = offsetof(struct backup_target, s3.ca_file),
          .check = check_read_path },
        { .name = "credentialsFile",
          .help = "Of S3: file (0600) with aws_access_key_id, aws_secret_access_key and perhaps "
                  "aws_session_token, proxy_user and proxy_password; read anew by each run.",
          .kind = CONFIG_STRING,
          .offset = offsetof(struct backup_target, s3.credentials_file),
          .check = check_read_path },
        { .name = "proxy",
          .help = "Of S3: the HTTP proxy on the way, whose user and password are in credentialsFile; without "
                  "it none is used, whatever the environment says.",
          .kind = CONFIG_STRING,
          .offset = offsetof(struct backup_target, s3.proxy),
          .check = config_check_url },
        { .name = "allowPlaintext",
          .help = "Of S3: lets copies leave the node unencrypted; they hold every Secret of the cluster.",
          .kind = CONFIG_BOOL,
          .offset = offsetof(struct backup_target, allow_plaintext) },
        { .name = "retention",
          .help = "Which copies stay at this target.",
          .kind = CONFIG_OBJECT,
          .offset = offsetof(struct backup_target, retention),
          .type = &retention_type },
        {},
};

/* Which keys a kind of target needs and which it may not have. */
struct target_rule {
        const char *key;
        size_t offset; /* of the string */
        enum target_kind kind;
        bool required;
};

static const struct target_rule target_rules[] = {
        { "path", offsetof(struct backup_target, path), TARGET_DIRECTORY, true },
        { "endpoint", offsetof(struct backup_target, s3.endpoint), TARGET_S3, true },
        { "bucket", offsetof(struct backup_target, s3.bucket), TARGET_S3, true },
        { "credentialsFile", offsetof(struct backup_target, s3.credentials_file), TARGET_S3, true },
        { "prefix", offsetof(struct backup_target, s3.prefix), TARGET_S3, false },
        { "retention/minFree", offsetof(struct backup_target, retention.min_free), TARGET_DIRECTORY, false },
        { "caFile", offsetof(struct backup_target, s3.ca_file), TARGET_S3, false },
        { "proxy", offsetof(struct backup_target, s3.proxy), TARGET_S3, false },
};

static int check_target(const void *object, const char *pointer, struct failure *failure)
{
        const struct backup_target *target = object;

        for (size_t i = 0; i < ELEMENTS(target_rules); i++) {
                const struct target_rule *rule = &target_rules[i];
                const char *value = *(char *const *)((const char *)object + rule->offset);

                if (value && target->kind != (int)rule->kind)
                        return failure_set(
                                failure, -EINVAL, "InvalidConfiguration",
                                "%s/%s: belongs to targets of type \"%s\"; this one's type is \"%s\"",
                                pointer, rule->key, target_kinds[rule->kind], target_kinds[target->kind]);
                if (!value && rule->required && target->kind == (int)rule->kind)
                        return failure_set(failure, -EINVAL, "InvalidConfiguration",
                                           "%s: lacks \"%s\", which a target of type \"%s\" needs", pointer,
                                           rule->key, target_kinds[target->kind]);
        }
        return 0;
}

static const struct config_type target_type = {
        .name = "target",
        .help = "A place for copies.",
        .size = sizeof(struct backup_target),
        .keys = target_keys,
        .check = check_target,
};

#define KUBEADM_ETCD_PKI "/etc/kubernetes/pki/etcd/"

/* healthcheck-client may only act as a client; kubeadm's other certificates also serve (kubernetes:
 * cmd/kubeadm/app/phases/certs/certlist.go). */
static const struct config_key etcd_keys[] = {
        { .name = "endpoint",
          .help = "This node's own member; another member's data would not be this node's copy.",
          .kind = CONFIG_STRING,
          .offset = offsetof(struct etcd_access, endpoint),
          .fallback = "\"https://127.0.0.1:2379\"",
          .check = config_check_url },
        { .name = "caFile",
          .help = "PEM file with the authority that signed etcd's certificate.",
          .kind = CONFIG_STRING,
          .offset = offsetof(struct etcd_access, ca_file),
          .fallback = "\"" KUBEADM_ETCD_PKI "ca.crt\"",
          .check = check_read_path },
        { .name = "certFile",
          .help = "PEM file with the client certificate.",
          .kind = CONFIG_STRING,
          .offset = offsetof(struct etcd_access, cert_file),
          .fallback = "\"" KUBEADM_ETCD_PKI "healthcheck-client.crt\"",
          .check = check_read_path },
        { .name = "keyFile",
          .help = "PEM file with the client certificate's key.",
          .kind = CONFIG_STRING,
          .offset = offsetof(struct etcd_access, key_file),
          .fallback = "\"" KUBEADM_ETCD_PKI "healthcheck-client.key\"",
          .check = check_read_path },
        {},
};

static const struct config_type etcd_type = {
        .name = "etcd",
        .help = "How to reach etcd; the defaults are kubeadm's.",
        .size = sizeof(struct etcd_access),
        .keys = etcd_keys,
};

static int check_recipient(const char *value, const char **ret_allowed)
{
        struct age_recipient recipient;

        *ret_allowed = "an X25519 recipient of age, as age-keygen -y prints it (age1…, 62 characters)";
        return age_recipient_parse(value, &recipient) < 0 ? -EINVAL : 0;
}

static const struct config_key encryption_keys[] = {
        { .name = "recipients",
          .help = "Public keys of age, each of whose identities opens every copy. Keep identities off the "
                  "nodes.",
          .kind = CONFIG_STRINGS,
          .offset = offsetof(struct backup_encryption, recipients),
          .minimum = 1,
          .maximum = RECIPIENTS_MAX,
          .check = check_recipient },
        { .name = "authenticationKeyFile",
          .help = "File (0600, at least 32 bytes) with the key of the HMAC in each manifest; copies without "
                  "it, or "
                  "with a wrong one, are refused.",
          .kind = CONFIG_STRING,
          .offset = offsetof(struct backup_encryption, authentication_key_file),
          .check = check_read_path },
        {},
};

static const struct config_type encryption_type = {
        .name = "encryption",
        .help = "Who can read copies, and who vouches for them.",
        .size = sizeof(struct backup_encryption),
        .keys = encryption_keys,
};

static const struct config_key drill_keys[] = {
        { .name = "schedule",
          .help = "When the newest copy is restored on the side, to prove that it can be.",
          .kind = CONFIG_STRING,
          .offset = offsetof(struct backup_drill, schedule),
          .fallback = "\"Sun *-*-* 03:00:00\"",
          .check = config_check_calendar },
        { .name = "minFree",
          .help = "What must be left free beside a drill; with less there is none.",
          .kind = CONFIG_SIZE,
          .offset = offsetof(struct backup_drill, min_free),
          .fallback = "\"2G\"",
          .maximum = UINT64_C(1) << 50 },
        {},
};

static const struct config_type drill_type = {
        .name = "drill",
        .help = "The restore drill.",
        .size = sizeof(struct backup_drill),
        .keys = drill_keys,
};

static const struct config_key backup_keys[] = {
        { .name = "schedule",
          .help = "When snapshots are taken, as systemd.time(7) calendar events; a run missed while the node "
                  "was down is made up for.",
          .kind = CONFIG_STRING,
          .offset = offsetof(struct backup_config, schedule),
          .fallback = "\"*-*-* 00/2:00:00\"",
          .check = config_check_calendar },
        { .name = "randomizedDelay",
          .help = "Spreads the nodes over this time after the schedule; each node's delay is stable.",
          .kind = CONFIG_DURATION,
          .offset = offsetof(struct backup_config, randomized_delay_usec),
          .fallback = "\"10m\"",
          .maximum = USEC_PER_DAY },
        { .name = "maxAge",
          .help = "How old the newest verified copy may become before the condition is False.",
          .kind = CONFIG_DURATION,
          .offset = offsetof(struct backup_config, max_age_usec),
          .fallback = "\"5h\"",
          .minimum = USEC_PER_MIN,
          .maximum = 365 * USEC_PER_DAY },
        { .name = "cluster", /* "kubernetes" is kubeadm's own default for clusterName */
          .help = "The cluster's name in the names of copies.",
          .kind = CONFIG_STRING,
          .offset = offsetof(struct backup_config, cluster),
          .fallback = "\"kubernetes\"",
          .check = config_check_name },
        { .name = "etcd",
          .help = "How to reach etcd.",
          .kind = CONFIG_OBJECT,
          .offset = offsetof(struct backup_config, etcd),
          .type = &etcd_type },
        { .name = "encryption",
          .help = "Who can read copies, and who vouches for them.",
          .kind = CONFIG_OBJECT,
          .offset = offsetof(struct backup_config, encryption),
          .type = &encryption_type },
        { .name = "include",
          .help = "What else of the node is saved, for a new machine: pki, manifests, encryption-config, "
                  "kubeadm. "
                  "Keys and tokens only where copies are encrypted.",
          .kind = CONFIG_STRINGS,
          .offset = offsetof(struct backup_config, include),
          .fallback = "[ \"pki\", \"manifests\", \"encryption-config\", \"kubeadm\" ]",
          .maximum = 4,
          .check = include_check_name },
        { .name = "targets",
          .help = "Where copies go; a target that fails does not keep the others from theirs.",
          .kind = CONFIG_OBJECTS,
          .offset = offsetof(struct backup_config, targets),
          .fallback =
                  "[ { \"name\": \"local\", \"path\": \"/var/lib/capi-node-agent/etcd-backup/snapshots\" } ]",
          .minimum = 1,
          .maximum = BACKUP_TARGETS_MAX,
          .type = &target_type },
        { .name = "drill",
          .help = "The restore drill.",
          .kind = CONFIG_OBJECT,
          .offset = offsetof(struct backup_config, drill),
          .type = &drill_type },
        {},
};

const struct backup_target *backup_config_target(const struct backup_config *config, size_t i)
{
        return (const struct backup_target *)config->targets.items + i;
}

static bool is_same(const char *one, const char *other)
{
        return one && other ? strcmp(one, other) == 0 : one == other;
}

static bool is_same_place(const struct backup_target *one, const struct backup_target *other)
{
        return one->kind == other->kind && is_same(one->path, other->path) &&
               is_same(one->s3.endpoint, other->s3.endpoint) && is_same(one->s3.bucket, other->s3.bucket) &&
               is_same(one->s3.prefix, other->s3.prefix);
}

/* Against the targets before it. */
static int check_distinct(const struct backup_config *config, size_t i, const char *pointer,
                          struct failure *failure)
{
        const struct backup_target *one = backup_config_target(config, i);

        for (size_t j = 0; j < i; j++) {
                const struct backup_target *other = backup_config_target(config, j);

                if (strcmp(one->name, other->name) == 0)
                        return failure_set(failure, -EINVAL, "InvalidConfiguration",
                                           "%s/targets/%zu/name: \"%s\" names /targets/%zu already; names "
                                           "are unique",
                                           pointer, i, one->name, j);
                if (is_same_place(one, other))
                        return failure_set(failure, -EINVAL, "InvalidConfiguration",
                                           "%s/targets/%zu/%s: \"%s\" is the %s of /targets/%zu already; "
                                           "two retentions would fight over it",
                                           pointer, i, one->path ? "path" : "bucket",
                                           one->path ?: one->s3.bucket, one->path ? "path" : "place", j);
        }
        return 0;
}

static int check_targets(const void *object, const char *pointer, struct failure *failure)
{
        const struct backup_config *config = object;
        int r;

        for (size_t i = 0; i < config->targets.count; i++) {
                const struct backup_target *target = backup_config_target(config, i);

                r = check_distinct(config, i, pointer, failure);
                if (r < 0)
                        return r;
                if (target->kind == TARGET_S3 && config->encryption.recipients.count == 0 &&
                    !target->allow_plaintext)
                        return failure_set(failure, -EINVAL, "InvalidConfiguration",
                                           "%s/targets/%zu: copies would leave the node unencrypted, and a "
                                           "snapshot holds every Secret of the cluster; set "
                                           "/encryption/recipients (age-keygen makes a pair), or "
                                           "\"allowPlaintext\": true in this target",
                                           pointer, i);
        }
        return 0;
}

const struct config_type backup_config_type = {
        .name = "etcd-backup",
        .help = "Takes verified snapshots of this node's etcd member.",
        .size = sizeof(struct backup_config),
        .keys = backup_keys,
        .check = check_targets,
};

char *node_name(char buffer[static NODE_NAME_SIZE])
{
        const char *allowed;

        if (gethostname(buffer, NODE_NAME_SIZE) < 0 || !memchr(buffer, '\0', NODE_NAME_SIZE) ||
            config_check_name(buffer, &allowed) < 0)
                strcpy(buffer, "node");
        return buffer;
}

int backup_config_load(const char *root, struct backup_config **ret, struct failure *failure)
{
        static const struct plugin plugin = { .name = "etcd-backup", .config = &backup_config_type };
        _cleanup_free_ char *config_path = path_under(root, "/etc/capi-node-agent/etcd-backup.json"),
                            *state_dir = path_under(root, BACKUP_STATE_DIR);
        struct plugin_context ctx = {
                .plugin = &plugin, .root = root, .config_path = config_path, .state_dir = state_dir
        };
        void *config;
        int r;

        if (!config_path || !state_dir)
                return -ENOMEM;
        r = plugin_load_config(&ctx, &config, failure);
        if (r < 0)
                return r;
        *ret = config;
        return 0;
}
