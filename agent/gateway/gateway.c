/* SPDX-License-Identifier: Apache-2.0 */

#include "gateway.h"

#include <string.h>
#include <systemd/sd-daemon.h>

#include "command.h"
#include "connection.h"
#include "event-loop.h"
#include "file-watch.h"
#include "files.h"
#include "log.h"
#include "server.h"
#include "timestamp.h"
#include "tls.h"
#include "x509.h"

static void gateway_clear(struct gateway *gateway)
{
        connections_close(gateway);
        audit_clear(&gateway->audit);
        server_free(gateway->server);
        health_document_free(gateway->health);
        file_watch_free(gateway->watch);
        config_free(&gateway_config_type, gateway->config);
        SSL_CTX_free(gateway->tls);
        free(gateway->directory);
        sd_event_unref(gateway->event);
}

/* What systemctl status shows: what is served, and what was refused since, if anything. */
static void notify_status(const struct gateway *gateway, const char *refused)
{
        X509 *certificate = SSL_CTX_get0_certificate(gateway->tls);
        char addresses[512], until[TIMESTAMP_SIZE];

        (void)sd_notifyf(false, "STATUS=Serving on %s; certificate valid until %s%s%s",
                         server_describe(gateway->server, addresses, sizeof(addresses)),
                         timestamp_format(certificate_not_after(certificate), until),
                         refused ? "; kept what was in force, because " : "", refused ? refused : "");
}

/* Reads the configuration that the agent placed. -ENOENT: it was withdrawn. */
static int load_config(const struct gateway *gateway, struct gateway_config **ret, struct failure *failure)
{
        _cleanup_free_ char *path = path_under(gateway->directory, "/gateway.json"), *text = NULL;
        void *config;
        size_t size;
        int r;

        if (!path)
                return -ENOMEM;
        r = file_read(path, CONFIG_SIZE_MAX, &text, &size);
        if (r < 0)
                return failure_set(failure, r, "ConfigurationUnreadable", "%s: %s", path, strerror(-r));
        r = config_parse(&gateway_config_type, path, text, size, &config, failure);
        if (r < 0)
                return r;
        *ret = config;
        return 0;
}

/* Puts configuration and material into force, all or nothing. Connections that are open keep the context that
 * they were made with; whom they may be is asked of the new one. */
static int load(struct gateway *gateway, struct failure *failure)
{
        _cleanup_(SSL_CTX_freep) SSL_CTX *tls = NULL;
        struct gateway_config *config = NULL;
        int r;

        r = load_config(gateway, &config, failure);
        if (r < 0)
                return r;
        r = tls_context_new(gateway->directory, &tls, failure);
        /* The agent replaces the files one by one, so one of them may be missing for the others' sake;
         * only the absence of the configuration is a message. */
        if (r == -ENOENT)
                r = -EINVAL;
        if (r >= 0)
                r = server_listen(gateway->server, &config->listen, failure);
        if (r < 0) {
                config_free(&gateway_config_type, config);
                return r;
        }

        config_free(&gateway_config_type, gateway->config);
        SSL_CTX_free(gateway->tls);
        gateway->config = config;
        gateway->tls = TAKE_PTR(tls);
        return 0;
}

static const char *explain(const struct failure *failure, int error)
{
        return failure->message ? failure->message : strerror(-error);
}

/* A reload that failed may have closed addresses already; the old configuration gets them back. */
static int return_to_old(struct gateway *gateway)
{
        _cleanup_failure_ failure = {};
        int r;

        r = server_listen(gateway->server, &gateway->config->listen, &failure);
        if (r < 0)
                log_message(LOG_ERR, MESSAGE_GATEWAY_MATERIAL, "%s", explain(&failure, r));
        return r;
}

static int reload(struct gateway *gateway)
{
        _cleanup_failure_ failure = {};
        int r;

        r = load(gateway, &failure);
        if (r == -ENOENT) {
                log_message(LOG_NOTICE, MESSAGE_CONFIG_WITHDRAWN, "gateway.json is withdrawn: closing");
                return sd_event_exit(gateway->event, EXIT_GOOD);
        }
        if (r < 0) {
                log_message(LOG_WARNING, MESSAGE_GATEWAY_MATERIAL, "Keeping what is in force: %s",
                            explain(&failure, r));
                r = return_to_old(gateway);
                if (r >= 0)
                        notify_status(gateway, failure.message ? failure.message : "of no memory");
                return r;
        }
        log_message(LOG_NOTICE, MESSAGE_GATEWAY_MATERIAL,
                    "New configuration, certificate or client CA in force");
        notify_status(gateway, NULL);
        /* Who may no longer ask is told so now, not at the next change of health. */
        connections_wake(gateway);
        return 0;
}

static void on_material(void *userdata)
{
        struct gateway *gateway = userdata;

        if (reload(gateway) < 0)
                (void)sd_event_exit(gateway->event, EXIT_UNHEALTHY);
}

static void on_health(void *userdata)
{
        connections_wake(userdata);
}

static int gateway_open(struct gateway *gateway, const char *root)
{
        _cleanup_free_ char *run = path_under(root, "/run/capi-node-agent");
        int r;

        gateway->directory = path_under(root, "/run/capi-node-agent/gateway");
        gateway->server = server_new(gateway);
        if (!run || !gateway->directory || !gateway->server)
                return -ENOMEM;
        r = event_loop_open(NULL, NULL, &gateway->event);
        if (r < 0)
                return r;
        gateway->audit.event = gateway->event;
        /* Before the first look, so that no change falls in between. */
        r = file_watch_new(gateway->event, gateway->directory, FILE_WATCH_SETTLE_USEC, on_material, gateway,
                           &gateway->watch);
        if (r < 0)
                return r;
        return health_document_new(gateway->event, run, on_health, gateway, &gateway->health);
}

static int serve(struct gateway *gateway)
{
        char addresses[512];
        int r;

        log_info("Serving on %s", server_describe(gateway->server, addresses, sizeof(addresses)));
        notify_status(gateway, NULL);
        (void)sd_notify(false, "READY=1");
        r = sd_event_loop(gateway->event);
        (void)sd_notify(false, "STOPPING=1");
        if (r < 0)
                return log_error(r, "The event loop failed");
        return r;
}

int gateway_run(const char *root)
{
        _cleanup_(gateway_clear) struct gateway gateway = {};
        _cleanup_failure_ failure = {};
        int r;

        r = gateway_open(&gateway, root);
        if (r < 0) {
                (void)log_error(r, "Cannot start");
                return EXIT_UNHEALTHY;
        }
        r = load(&gateway, &failure);
        if (r == -ENOENT) {
                log_info("There is no gateway.json: nothing to serve");
                return EXIT_GOOD;
        }
        if (r < 0) {
                log_message(LOG_ERR, MESSAGE_GATEWAY_MATERIAL, "Cannot serve: %s", explain(&failure, r));
                (void)sd_notifyf(false, "STATUS=Cannot serve: %s", explain(&failure, r));
                return EXIT_UNHEALTHY;
        }
        r = serve(&gateway);
        return r < 0 ? EXIT_UNHEALTHY : r;
}
