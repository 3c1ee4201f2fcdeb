/* SPDX-License-Identifier: Apache-2.0 */

#include "fake-systemd.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "cleanup.h"
#include "files.h"
#include "program.h"

#define UNITS "/org/freedesktop/systemd1/unit"

static const char bus_configuration[] =
        "<busconfig><type>system</type><listen>unix:path=%s/run/dbus/system_bus_socket</"
        "listen><auth>EXTERNAL</auth>"
        "<policy context=\"default\"><allow user=\"*\"/><allow own=\"*\"/><allow send_type=\"method_call\"/>"
        "<allow send_type=\"signal\"/><allow send_requested_reply=\"true\" send_type=\"method_return\"/>"
        "<allow send_requested_reply=\"true\" send_type=\"error\"/><allow receive_type=\"method_call\"/>"
        "<allow receive_type=\"method_return\"/><allow receive_type=\"error\"/><allow "
        "receive_type=\"signal\"/>"
        "</policy></busconfig>\n";

struct fake_unit *fake_systemd_unit(struct fake_systemd *fake, const char *name)
{
        for (size_t i = 0; i < ELEMENTS(fake->units); i++)
                if (strcmp(fake->units[i].name, name) == 0)
                        return &fake->units[i];
        fail_msg("there is no %s", name);
        return NULL;
}

static int reply_property(sd_bus_message *message, const struct fake_unit *unit, const char *property)
{
        const struct {
                const char *name, *text;
        } texts[] = {
                { "LoadState", unit->load_state },
                { "ActiveState", unit->active_state },
                { "SubState", unit->sub_state },
                { "Result", unit->result },
        };

        for (size_t i = 0; i < ELEMENTS(texts); i++)
                if (strcmp(property, texts[i].name) == 0)
                        return sd_bus_reply_method_return(message, "v", "s", texts[i].text);
        if (strcmp(property, "NRestarts") == 0)
                return sd_bus_reply_method_return(message, "v", "u", unit->n_restarts);
        if (strcmp(property, "ExecMainStatus") == 0)
                return sd_bus_reply_method_return(message, "v", "i", 1);
        return sd_bus_reply_method_errorf(message, SD_BUS_ERROR_UNKNOWN_PROPERTY, "no %s", property);
}

static int on_get(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct fake_systemd *fake = userdata;
        _cleanup_free_ char *name = NULL;
        const char *interface, *property;

        assert_true(sd_bus_path_decode(sd_bus_message_get_path(message), UNITS, &name) > 0);
        assert_true(sd_bus_message_read(message, "ss", &interface, &property) >= 0);
        if (fake->silent)
                return 1;
        return reply_property(message, fake_systemd_unit(fake, name), property);
}

static bool try_connect(void *userdata)
{
        struct fake_systemd *fake = userdata;
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        char address[256];

        (void)snprintf(address, sizeof(address), "unix:path=%s/run/dbus/system_bus_socket", fake->root);
        if (sd_bus_new(&bus) < 0 || sd_bus_set_address(bus, address) < 0 ||
            sd_bus_set_bus_client(bus, true) < 0 || sd_bus_start(bus) < 0 ||
            sd_bus_request_name(bus, "org.freedesktop.systemd1", 0) < 0)
                return false;
        fake->bus = TAKE_PTR(bus);
        return true;
}

void fake_systemd_start(struct fake_systemd *fake, const char *root)
{
        _cleanup_free_ char *directory = path_under(root, "/run/dbus"), *text = NULL, *option = NULL;

        fake->root = root;
        fake->units[0] = (struct fake_unit){ "kubelet.service", "loaded", "active", "running", "success", 0 };
        fake->units[1] =
                (struct fake_unit){ "containerd.service", "loaded", "active", "running", "success", 0 };
        assert_int_equal(directory_make(directory, 0755), 0);
        assert_true(asprintf(&text, bus_configuration, root) > 0);
        root_write(root, "run/dbus/bus.conf", text, 0644);
        assert_true(asprintf(&option, "--config-file=%s/bus.conf", directory) > 0);
        fake->daemon = program_start("/usr/bin/dbus-daemon",
                                     (const char *const[]){ option, "--nofork", "--nopidfile", NULL });
        wait_until(try_connect, fake, "the bus");
        assert_true(sd_bus_add_fallback(fake->bus, NULL, UNITS, on_get, fake) >= 0);
}

void fake_systemd_stop(struct fake_systemd *fake)
{
        fake->bus = sd_bus_close_unref(fake->bus);
        if (fake->daemon > 0)
                (void)program_stop(fake->daemon, SIGKILL);
        fake->daemon = 0;
}

void fake_systemd_serve(struct fake_systemd *fake)
{
        while (fake->bus && sd_bus_process(fake->bus, NULL) > 0)
                ;
}
