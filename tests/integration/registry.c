/* SPDX-License-Identifier: Apache-2.0 */

#include "registry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>

#include "digest.h"
#include "files.h"
#include "program.h"

#define ACCESS_LOG "access.log"

/* ---- an image ---- */

struct blob {
        char *data;
        size_t size;
        char digest[SHA256_TEXT_SIZE];
};

static void write_file(const struct registry *registry, const char *data, size_t size, const char *format,
                       ...) _printf_(4, 5);
static void write_file(const struct registry *registry, const char *data, size_t size, const char *format,
                       ...)
{
        _cleanup_free_ char *name = NULL, *path = NULL;
        va_list arguments;

        va_start(arguments, format);
        assert_true(vasprintf(&name, format, arguments) > 0);
        va_end(arguments);
        assert_true(asprintf(&path, "%s/storage/docker/registry/v2/%s", registry->directory, name) > 0);
        *strrchr(path, '/') = '\0';
        assert_int_equal(directory_make(path, 0755), 0);
        path[strlen(path)] = '/';
        assert_int_equal(file_write(path, data, size, 0644), 0);
}

static void write_link(const struct registry *registry, const char *repository, const char *kind,
                       const char *digest)
{
        write_file(registry, digest, strlen(digest), "repositories/%s/%s/sha256/%s/link", repository, kind,
                   digest + 7);
}

/* Takes the data. */
static void put_blob(const struct registry *registry, struct blob *blob)
{
        assert_int_equal(digest_text(blob->data, blob->size, blob->digest), 0);
        write_file(registry, blob->data, blob->size, "blobs/sha256/%.2s/%s/data", blob->digest + 7,
                   blob->digest + 7);
}

static void clear_blob(struct blob *blob)
{
        free(blob->data);
}

/* A tar archive (ustar) with one file, named like the tag so that each image has a layer of its own. */
static struct blob make_layer(const char *name)
{
        struct blob layer = { .data = calloc(4, 512), .size = 4 * 512 };
        unsigned sum = 8 * ' ';

        assert_non_null(layer.data);
        (void)snprintf(layer.data, 100, "%s", name);
        strcpy(layer.data + 100, "0000644");
        strcpy(layer.data + 108, "0000000");
        strcpy(layer.data + 116, "0000000");
        strcpy(layer.data + 124, "00000000005");
        strcpy(layer.data + 136, "00000000000");
        layer.data[156] = '0';
        strcpy(layer.data + 257, "ustar");
        strcpy(layer.data + 263, "00");
        for (size_t i = 0; i < 512; i++)
                sum += (unsigned char)layer.data[i];
        (void)snprintf(layer.data + 148, 8, "%06o", sum);
        layer.data[155] = ' ';
        strcpy(layer.data + 512, "hello");
        return layer;
}

/* Go's name for this machine's architecture. */
static const char *architecture(void)
{
        struct utsname machine;

        assert_int_equal(uname(&machine), 0);
        return strcmp(machine.machine, "aarch64") == 0 ? "arm64" : "amd64";
}

void registry_put_image(const struct registry *registry, const char *repository, const char *tag)
{
        _cleanup_(clear_blob) struct blob layer = make_layer(tag), config = {}, manifest = {};
        int n;

        put_blob(registry, &layer);
        n = asprintf(&config.data,
                     "{\"architecture\":\"%s\",\"os\":\"linux\",\"config\":{},"
                     "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"%s\"]}}",
                     architecture(), layer.digest);
        assert_true(n > 0);
        config.size = (size_t)n;
        put_blob(registry, &config);
        n = asprintf(
                &manifest.data,
                "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\","
                "\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"%s\","
                "\"size\":%zu},\"layers\":[{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\","
                "\"digest\":\"%s\",\"size\":%zu}]}",
                config.digest, config.size, layer.digest, layer.size);
        assert_true(n > 0);
        manifest.size = (size_t)n;
        put_blob(registry, &manifest);

        write_link(registry, repository, "_layers", layer.digest);
        write_link(registry, repository, "_layers", config.digest);
        write_link(registry, repository, "_manifests/revisions", manifest.digest);
        write_file(registry, manifest.digest, strlen(manifest.digest),
                   "repositories/%s/_manifests/tags/%s/current/link", repository, tag);
}

/* ---- the server ---- */

static bool listens(void *userdata)
{
        const struct registry *registry = userdata;
        struct sockaddr_in address = { .sin_family = AF_INET };
        _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const char *colon = strchr(registry->address, ':');
        char host[32];

        (void)snprintf(host, sizeof(host), "%.*s", (int)(colon - registry->address), registry->address);
        assert_int_equal(inet_pton(AF_INET, host, &address.sin_addr), 1);
        address.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
        return connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
}

static void write_configuration(const struct registry *registry)
{
        _cleanup_free_ char *text = NULL, *clients = NULL, *users = NULL;

        assert_true(asprintf(&clients, "    clientcas: [%s]\n", registry->client_ca ?: "") > 0);
        assert_true(asprintf(&users, "auth:\n  htpasswd:\n    realm: mirror\n    path: %s/users\n",
                             registry->directory) > 0);
        assert_true(asprintf(&text,
                             "version: 0.1\n"
                             "log:\n"
                             "  level: warn\n"
                             "storage:\n"
                             "  filesystem:\n"
                             "    rootdirectory: %s/storage\n"
                             "%s"
                             "http:\n"
                             "  addr: %s\n"
                             "  tls:\n"
                             "    certificate: %s/server.crt\n"
                             "    key: %s/server.key\n"
                             "%s",
                             registry->directory, registry->password ? users : "", registry->address,
                             registry->directory, registry->directory,
                             registry->client_ca ? clients : "") > 0);
        root_write(registry->directory, "config.yml", text, 0600);
        /* "letmein" by bcrypt, which is all that it takes. */
        root_write(registry->directory, "users",
                   "mirror:$2b$04$/WU.Xb3UJmPCzbIj.Ba/B.ZjLMpH.XkUoncwjSyEaCGQ7KBVaTA.e\n", 0600);
}

void registry_start(struct registry *registry, const struct identity *identity)
{
        _cleanup_free_ char *log = path_under(registry->directory, "/registry.log"),
                            *access_log = path_under(registry->directory, "/" ACCESS_LOG),
                            *configuration = path_under(registry->directory, "/config.yml"),
                            *root = root_of_suite("bookworm", "docker-registry"),
                            *program = path_under(root, "/usr/bin/docker-registry");
        const int flags = O_WRONLY | O_CREAT | O_APPEND;
        posix_spawn_file_actions_t actions;

        assert_int_equal(directory_make(registry->directory, 0755), 0);
        identity_save(identity, registry->directory, "server");
        write_configuration(registry);
        assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
        assert_int_equal(posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, access_log, flags, 0600),
                         0);
        assert_int_equal(posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log, flags, 0600), 0);
        assert_int_equal(posix_spawnp(&registry->pid, "setpriv", &actions, NULL,
                                      (char *const[]){ (char *)"setpriv", (char *)"--pdeathsig",
                                                       (char *)"KILL", program, (char *)"serve",
                                                       configuration, NULL },
                                      environ),
                         0);
        posix_spawn_file_actions_destroy(&actions);
        wait_until(listens, registry, "docker-registry");
}

void registry_stop(struct registry *registry)
{
        if (registry->pid <= 0)
                return;
        (void)program_stop(registry->pid, SIGKILL);
        registry->pid = 0;
}

unsigned registry_asked(const struct registry *registry, const char *text)
{
        _cleanup_free_ char *log = root_read(registry->directory, ACCESS_LOG);
        unsigned count = 0;

        for (const char *at = log; at && (at = strstr(at, text ?: "\n")); at++)
                count++;
        return count;
}

void registry_forget(const struct registry *registry)
{
        _cleanup_free_ char *path = path_under(registry->directory, "/" ACCESS_LOG);

        assert_int_equal(truncate(path, 0), 0);
}
