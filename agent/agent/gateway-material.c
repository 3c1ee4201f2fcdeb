/* SPDX-License-Identifier: Apache-2.0 */

#include "gateway-material.h"

#include <grp.h>
#include <limits.h>
#include <string.h>

#include "../certificate-exchange/gateway-identity.h"
#include "certificate-exchange.h"
#include "file-watch.h"
#include "files.h"
#include "gateway-config.h"
#include "log.h"
#include "own-capability.h"
#include "quantity.h"
#include "timestamp.h"

/* Also when no file changed, because time does: our own certificate is renewed before it expires. */
#define RECHECK_USEC USEC_PER_HOUR

#define SOURCE_MAX   (1024 * 1024)
#define ADDRESS_SIZE (6 + 7 + 44 + 1) /* "65535 ", "sha256/" and the pin */

enum part { PART_KEY, PART_CERTIFICATE, PART_CLIENT_CA, PART_CONFIG, PARTS };

/* In the order of writing: the configuration last, because its presence starts the gateway. */
static const char *const part_names[PARTS] = {
        [PART_KEY] = "tls.key",
        [PART_CERTIFICATE] = "tls.crt",
        [PART_CLIENT_CA] = "client-ca.crt",
        [PART_CONFIG] = "gateway.json",
};

#define STAMPS (PARTS - 1 + 1 + PARTS) /* what gateway.json names, itself, and what was placed */

struct blob {
        char *data;
        size_t size;
};

struct gateway_material {
        sd_event *event;
        char *config_path, *state_dir, *directory;
        const char *group;
        void (*changed)(void *userdata);
        void *userdata;
        struct file_watch *watches[PARTS - 1];
        char *watched[PARTS - 1];
        struct file_stamp stamps[STAMPS]; /* of all files, when they were found good and in place */
        uint64_t good_until_usec;         /* CLOCK_BOOTTIME; 0: to be checked again */
        uint64_t not_after_usec;          /* CLOCK_REALTIME, of the certificate that was placed */
        char applied[SHA256_TEXT_SIZE];   /* of the gateway.json that was placed; "": none */
        char address[ADDRESS_SIZE];       /* of what was placed */
};

static void blob_clear(struct blob *blob)
{
        if (blob->data)
                explicit_bzero(blob->data, blob->size);
        free(blob->data);
        *blob = (struct blob){};
}

static void drop_watches(struct gateway_material *material)
{
        for (size_t i = 0; i < ELEMENTS(material->watches); i++) {
                material->watches[i] = file_watch_free(material->watches[i]);
                free(material->watched[i]);
                material->watched[i] = NULL;
        }
}

struct gateway_material *gateway_material_free(struct gateway_material *material)
{
        if (!material)
                return NULL;
        drop_watches(material);
        sd_event_unref(material->event);
        free(material->config_path);
        free(material->state_dir);
        free(material->directory);
        free(material);
        return NULL;
}

int gateway_material_new(sd_event *event, const char *config_path, const char *state_dir,
                         const char *directory, const char *group, void (*changed)(void *userdata),
                         void *userdata, struct gateway_material **ret)
{
        _cleanup_(gateway_material_freep) struct gateway_material *material = calloc(1, sizeof(*material));

        if (!material)
                return -ENOMEM;
        *material = (struct gateway_material){
                .event = sd_event_ref(event), .group = group, .changed = changed, .userdata = userdata
        };
        material->config_path = strdup(config_path);
        material->state_dir = strdup(state_dir);
        material->directory = strdup(directory);
        if (!material->config_path || !material->state_dir || !material->directory)
                return -ENOMEM;
        *ret = TAKE_PTR(material);
        return 0;
}

bool gateway_material_placed(const struct gateway_material *material)
{
        return material->applied[0] != '\0';
}

const char *gateway_material_address(const struct gateway_material *material)
{
        return gateway_material_placed(material) ? material->address : NULL;
}

/* Follows the files that the configuration names now. */
static int watch_sources(struct gateway_material *material, const struct gateway_config *config)
{
        const char *const paths[PARTS - 1] = { config->key_file, config->cert_file, config->client_ca_file };
        int r;

        for (size_t i = 0; i < ELEMENTS(paths); i++) {
                if (material->watched[i] && strcmp(material->watched[i], paths[i]) == 0)
                        continue;
                material->watches[i] = file_watch_free(material->watches[i]);
                free(material->watched[i]);
                material->watched[i] = strdup(paths[i]);
                if (!material->watched[i])
                        return -ENOMEM;
                r = file_watch_new(material->event, paths[i], FILE_WATCH_SETTLE_USEC, material->changed,
                                   material->userdata, &material->watches[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int read_public(const char *path, struct blob *ret, struct failure *failure)
{
        int r = file_read(path, SOURCE_MAX, &ret->data, &ret->size);

        if (r < 0)
                return failure_set(failure, r, "CertificateUnreadable", "cannot read %s: %s", path,
                                   strerror(-r));
        return 0;
}

static int read_sources(const struct gateway_config *config, struct blob blobs[static PARTS],
                        struct failure *failure)
{
        int r;

        r = file_read_secret(config->key_file, SOURCE_MAX, &blobs[PART_KEY].data, &blobs[PART_KEY].size,
                             failure);
        if (r < 0)
                return r;
        r = read_public(config->cert_file, &blobs[PART_CERTIFICATE], failure);
        if (r < 0)
                return r;
        return read_public(config->client_ca_file, &blobs[PART_CLIENT_CA], failure);
}

/* Leaves a part alone that is already as it should be, so that the gateway reloads only for a change. */
static int place_part(const struct gateway_material *material, enum part part, const struct blob *blob,
                      gid_t gid)
{
        _cleanup_(blob_clear) struct blob placed = {};
        _cleanup_free_ char *path = NULL;

        if (asprintf(&path, "%s/%s", material->directory, part_names[part]) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        if (file_read(path, CONFIG_SIZE_MAX + SOURCE_MAX, &placed.data, &placed.size) >= 0 &&
            placed.size == blob->size && memcmp(placed.data, blob->data, blob->size) == 0)
                return 0;
        return file_write_group(path, blob->data, blob->size, 0640, gid);
}

static int find_group(const char *name, gid_t *ret)
{
        const struct group *group;

        if (!name)
                return 0;
        errno = 0;
        group = getgrnam(name);
        if (!group)
                return errno ? -errno : -ESRCH;
        *ret = group->gr_gid;
        return 0;
}

static int place(struct gateway_material *material, const struct blob blobs[static PARTS],
                 struct failure *failure)
{
        gid_t gid = (gid_t)-1;
        int r;

        r = find_group(material->group, &gid);
        if (r < 0)
                return failure_set(failure, r, "GatewayUserMissing",
                                   "there is no group %s; type: systemd-sysusers capi-node-agent.conf",
                                   material->group);
        for (enum part part = 0; part < PARTS; part++) {
                r = place_part(material, part, &blobs[part], gid);
                if (r < 0)
                        return failure_set(failure, r, "GatewayMaterialNotPlaced", "cannot write %s/%s: %s",
                                           material->directory, part_names[part], strerror(-r));
        }
        return 0;
}

static void withdraw(struct gateway_material *material)
{
        /* The configuration first: the gateway ends when it goes. */
        for (int part = PARTS - 1; part >= 0; part--) {
                _cleanup_free_ char *path = NULL;

                if (asprintf(&path, "%s/%s", material->directory, part_names[part]) < 0) {
                        path = NULL;
                        continue;
                }
                if (unlink(path) < 0 && errno != ENOENT)
                        (void)log_error(-errno, "Cannot remove %s", path);
        }
        if (material->applied[0] != '\0')
                log_message(LOG_NOTICE, MESSAGE_CONFIG_WITHDRAWN, "%s is gone: the gateway stops",
                            material->config_path);
        material->applied[0] = '\0';
        drop_watches(material);
}

static int judge_sources(const struct gateway_config *config, const struct blob blobs[static PARTS],
                         char **ret_pin, uint64_t *ret_not_after_usec, struct failure *failure)
{
        const struct blob *key = &blobs[PART_KEY], *certificate = &blobs[PART_CERTIFICATE],
                          *ca = &blobs[PART_CLIENT_CA];

        return certificate_exchange_judge(
                &(struct certificate_file){ config->key_file, key->data, key->size },
                &(struct certificate_file){ config->cert_file, certificate->data, certificate->size },
                &(struct certificate_file){ config->client_ca_file, ca->data, ca->size }, ret_pin,
                ret_not_after_usec, failure);
}

static int note_address(struct gateway_material *material, const struct gateway_config *config,
                        const char *pin)
{
        char address[GATEWAY_ADDRESS_SIZE];
        uint16_t port;
        int r;

        r = gateway_listen_parse(config->listen.items[0], address, &port);
        if (r < 0)
                return r;
        (void)snprintf(material->address, sizeof(material->address), "%u %s", port, pin);
        return 0;
}

/* A DNS name to be in a certificate; what a person called the machine need not be one. */
static void own_name(char name[static HOST_NAME_MAX + 1])
{
        if (gethostname(name, HOST_NAME_MAX + 1) < 0 || name[0] == '\0' ||
            name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-")] != '\0')
                (void)snprintf(name, HOST_NAME_MAX + 1, "capi-node");
}

/* What the configuration leaves to us is from here on as if it named our files. */
static int use_own_identity(const struct gateway_material *material, struct gateway_config *config,
                            struct failure *failure)
{
        char name[HOST_NAME_MAX + 1];
        int r;

        if (config->cert_file)
                return 0;
        own_name(name);
        r = certificate_exchange_own(material->state_dir, name, failure);
        if (r < 0)
                return r;
        config->cert_file = path_under(material->state_dir, "/" GATEWAY_OWN_CERTIFICATE);
        config->key_file = path_under(material->state_dir, "/" GATEWAY_OWN_KEY);
        return config->cert_file && config->key_file ? 0 : -ENOMEM;
}

static int check_and_place(struct gateway_material *material, const struct own_file *file,
                           struct failure *failure)
{
        struct blob blobs[PARTS] = { [PART_CONFIG] = { file->text, strlen(file->text) } };
        _cleanup_free_ char *pin = NULL;
        int r;

        r = use_own_identity(material, file->config, failure);
        if (r >= 0)
                r = watch_sources(material, file->config);
        if (r < 0)
                return r;
        r = read_sources(file->config, blobs, failure);
        if (r >= 0)
                r = judge_sources(file->config, blobs, &pin, &material->not_after_usec, failure);
        if (r >= 0)
                r = place(material, blobs, failure);
        if (r >= 0)
                r = note_address(material, file->config, pin);
        for (enum part part = 0; part < PART_CONFIG; part++)
                blob_clear(&blobs[part]);
        if (r >= 0)
                memcpy(material->applied, file->desired, sizeof(material->applied));
        return r;
}

static int read_stamps(const struct gateway_material *material, struct file_stamp stamps[static STAMPS])
{
        size_t n = 0;

        for (size_t i = 0; i < ELEMENTS(material->watched); i++)
                if (material->watched[i])
                        file_stamp_read(material->watched[i], &stamps[n++]);
        file_stamp_read(material->config_path, &stamps[n++]);
        for (enum part part = 0; part < PARTS; part++) {
                _cleanup_free_ char *path = NULL;

                if (asprintf(&path, "%s/%s", material->directory, part_names[part]) < 0) {
                        path = NULL;
                        return -ENOMEM;
                }
                file_stamp_read(path, &stamps[n++]);
        }
        return 0;
}

/* Parsing a key and its certificates takes longer than all else that an update does, so it is not done again
 * for files that are as they were. */
static bool is_as_it_was(const struct gateway_material *material)
{
        struct file_stamp stamps[STAMPS] = {};

        if (now_boottime_usec() >= material->good_until_usec ||
            now_realtime_usec() > material->not_after_usec || read_stamps(material, stamps) < 0)
                return false;
        for (size_t i = 0; i < ELEMENTS(stamps); i++)
                if (!file_stamp_same(&stamps[i], &material->stamps[i]))
                        return false;
        return true;
}

/* A file that changed within the last second may change again without another stamp, because the kernel's
 * clock for files ticks coarsely: then the next update looks again. */
static void note_good(struct gateway_material *material)
{
        uint64_t now_usec = now_realtime_usec();

        material->good_until_usec = 0;
        memset(material->stamps, 0, sizeof(material->stamps));
        if (read_stamps(material, material->stamps) < 0)
                return;
        for (size_t i = 0; i < ELEMENTS(material->stamps); i++)
                if ((uint64_t)material->stamps[i].changed.tv_sec * USEC_PER_SEC + 2 * USEC_PER_SEC > now_usec)
                        return;
        material->good_until_usec = now_boottime_usec() + RECHECK_USEC;
}

int gateway_material_update(struct gateway_material *material, struct capabilities *capabilities)
{
        _cleanup_failure_ failure = {};
        struct own_file file;
        int r;

        if (is_as_it_was(material))
                return own_report(capabilities, "gateway", material->applied, material->applied, NULL, NULL);
        material->good_until_usec = 0;
        r = own_file_load(&gateway_config_type, material->config_path, &file, &failure);
        if (r >= 0 && !file.text)
                withdraw(material);
        else if (r >= 0)
                r = check_and_place(material, &file, &failure);
        if (r >= 0)
                note_good(material);
        if (r < 0 && !failure.message)
                failure_set(&failure, r, "GatewayMaterialNotPlaced",
                            "cannot place the gateway's material: %s", strerror(-r));

        r = own_report(capabilities, "gateway", file.desired, material->applied, failure.message,
                       MESSAGE_GATEWAY_MATERIAL);
        own_file_clear(&gateway_config_type, &file);
        return r;
}
