/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* org.freedesktop.systemd1 on a real bus, as the test wants it to answer: for what a real systemd does not do
 * on demand (silence, a lost bus, a crash just now). The real one is asked in tests/node. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>

struct fake_unit {
        const char *name;
        const char *load_state, *active_state, *sub_state, *result;
        uint32_t n_restarts;
        const char *type, *triggered_by; /* "simple"; NULL: by no unit */
        bool enabled, condition_failed;
};

struct fake_systemd {
        const char *root;
        pid_t daemon; /* dbus-daemon, listens at ROOT/run/dbus/system_bus_socket; 0: none */
        sd_bus *bus;
        bool silent;                /* takes questions and does not answer */
        struct fake_unit units[12]; /* those without a name are not there */
};

/* Both fail the test when they cannot. */
void fake_systemd_start(struct fake_systemd *fake, const char *root);
void fake_systemd_stop(struct fake_systemd *fake); /* kills the bus */

struct fake_unit *fake_systemd_unit(struct fake_systemd *fake, const char *name);

/* A service that is enabled and runs. */
struct fake_unit *fake_systemd_add(struct fake_systemd *fake, const char *name);

/* Answers what has come. */
void fake_systemd_serve(struct fake_systemd *fake);
