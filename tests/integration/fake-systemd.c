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
                if (fake->units[i].name && strcmp(fake->units[i].name, name) == 0)
                        return &fake->units[i];
        fail_msg("there is no %s", name);
        return NULL;
}

struct fake_unit *fake_systemd_add(struct fake_systemd *fake, const char *name)
{
        size_t i = 0;

        while (i < ELEMENTS(fake->units) && fake->units[i].name)
                i++;
        assert_true(i < ELEMENTS(fake->units));
        fake->units[i] = (struct fake_unit){ .name = name,
                                             .load_state = "loaded",
                                             .active_state = "active",
                                             .sub_state = "running",
                                             .result = "success",
                                             .type = "simple",
                                             .enabled = true };
        return &fake->units[i];
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
                { "Type", unit->type },
        };

        for (size_t i = 0; i < ELEMENTS(texts); i++)
                if (strcmp(property, texts[i].name) == 0)
                        return sd_bus_reply_method_return(message, "v", "s", texts[i].text);
        if (strcmp(property, "NRestarts") == 0)
                return sd_bus_reply_method_return(message, "v", "u", unit->n_restarts);
        if (strcmp(property, "ExecMainStatus") == 0)
                return sd_bus_reply_method_return(message, "v", "i", 1);
        if (strcmp(property, "ConditionResult") == 0)
                return sd_bus_reply_method_return(message, "v", "b", !unit->condition_failed);
        if (strcmp(property, "TriggeredBy") == 0)
                return unit->triggered_by
                               ? sd_bus_reply_method_return(message, "v", "as", 1, unit->triggered_by)
                               : sd_bus_reply_method_return(message, "v", "as", 0);
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

static bool contains(char **list, const char *text)
{
        for (; list && *list; list++)
                if (strcmp(*list, text) == 0)
                        return true;
        return false;
}

static void free_list(char ***list)
{
        for (char **item = *list; item && *item; item++)
                free(*item);
        free(*list);
}

/* ListUnitsByPatterns(states, patterns) and ListUnitsByNames(names). */
static int on_list_units(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct fake_systemd *fake = userdata;
        bool by_names = sd_bus_message_is_method_call(message, NULL, "ListUnitsByNames") > 0;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(free_list) char **wanted = NULL;

        if (fake->silent)
                return 1;
        assert_true(sd_bus_message_read_strv(message, &wanted) >= 0);
        assert_true(sd_bus_message_new_method_return(message, &reply) >= 0);
        assert_true(sd_bus_message_open_container(reply, 'a', "(ssssssouso)") >= 0);
        for (size_t i = 0; i < ELEMENTS(fake->units) && fake->units[i].name; i++) {
                const struct fake_unit *unit = &fake->units[i];

                if (contains(wanted, by_names ? unit->name : unit->active_state))
                        assert_true(sd_bus_message_append(reply, "(ssssssouso)", unit->name, "",
                                                          unit->load_state, unit->active_state,
                                                          unit->sub_state, "", UNITS "/x", 0, "", "/") >= 0);
        }
        assert_true(sd_bus_message_close_container(reply) >= 0);
        return sd_bus_send(NULL, reply, NULL);
}

static int on_list_files(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct fake_systemd *fake = userdata;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;

        if (fake->silent)
                return 1;
        assert_true(sd_bus_message_new_method_return(message, &reply) >= 0);
        assert_true(sd_bus_message_open_container(reply, 'a', "(ss)") >= 0);
        for (size_t i = 0; i < ELEMENTS(fake->units) && fake->units[i].name; i++) {
                char path[256];

                (void)snprintf(path, sizeof(path), "/lib/systemd/system/%s", fake->units[i].name);
                if (fake->units[i].enabled)
                        assert_true(sd_bus_message_append(reply, "(ss)", path, "enabled") >= 0);
        }
        assert_true(sd_bus_message_append(reply, "(ss)", "/lib/systemd/system/getty@.service", "enabled") >=
                    0);
        assert_true(sd_bus_message_close_container(reply) >= 0);
        return sd_bus_send(NULL, reply, NULL);
}

static const sd_bus_vtable manager[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("ListUnitsByPatterns", "asas", "a(ssssssouso)", on_list_units,
                      SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("ListUnitsByNames", "as", "a(ssssssouso)", on_list_units, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("ListUnitFilesByPatterns", "asas", "a(ss)", on_list_files, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

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
        for (size_t i = 0; i < ELEMENTS(fake->units); i++)
                fake->units[i].name = NULL;
        (void)fake_systemd_add(fake, "kubelet.service");
        (void)fake_systemd_add(fake, "containerd.service");
        assert_int_equal(directory_make(directory, 0755), 0);
        assert_true(asprintf(&text, bus_configuration, root) > 0);
        root_write(root, "run/dbus/bus.conf", text, 0644);
        assert_true(asprintf(&option, "--config-file=%s/bus.conf", directory) > 0);
        fake->daemon = program_start("/usr/bin/dbus-daemon",
                                     (const char *const[]){ option, "--nofork", "--nopidfile", NULL });
        wait_until(try_connect, fake, "the bus");
        assert_true(sd_bus_add_fallback(fake->bus, NULL, UNITS, on_get, fake) >= 0);
        assert_true(sd_bus_add_object_vtable(fake->bus, NULL, "/org/freedesktop/systemd1",
                                             "org.freedesktop.systemd1.Manager", manager, fake) >= 0);
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
