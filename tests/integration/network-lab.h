/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Two network namespaces of the test's own: the node's, in which the test itself runs, and the clients', with
 * as many source addresses as wanted, one router hop away. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define NODE_V4   "10.9.0.1"
#define NODE_V6   "2001:db8:9::1"
#define ROUTER_V4 "10.9.0.2" /* the clients' namespace, in the node's own network */

#define API_PORT 6443

/* Addresses that the clients have from the beginning. */
#define FRIEND       "203.0.113.5"
#define STRANGER     "198.51.100.9"
#define OTHER        "192.0.2.9"
#define FRIEND_SIX   "2001:db8:a::5"
#define STRANGER_SIX "2001:db8:b::5"

/* For cmocka_run_group_tests. Moves the test into a fresh network and mount namespace and makes the other
 * one; lab_open_listening has somebody listen on API_PORT, until lab_close. */
int lab_open(void **state);
int lab_open_listening(void **state);
int lab_close(void **state);

/* Runs a shell command line in the node's or the clients' namespace; fails the test when that fails. */
void lab_node(const char *command);
void lab_clients(const char *command);
/* Adds a source address ("203.0.113.5", "2001:db8:a::5") to the clients. */
void lab_add_client(const char *address);

/* What becomes of a connection from source to the node's port: connected or refused by the closed port both
 * mean that the packets were let through. */
enum reach { REACH_DROPPED, REACH_CONNECTED, REACH_REFUSED };
enum reach lab_reach(const char *source, unsigned port);
bool lab_passes(const char *source, unsigned port);
/* The same for many sources at once, each let through or not. */
void lab_reach_all(const char *const *sources, size_t n, unsigned port, bool *ret_passed);
/* The slowest of the connections that a client opens one after the other until *stop is set, in milliseconds;
 * -1: one failed. Run in a process of its own. */
pid_t lab_storm_start(const char *source, unsigned port);
int lab_storm_connections(void); /* so far; INT_MAX: one failed */
int lab_storm_stop(pid_t pid, int *ret_slowest_msec, int *ret_connections);

/* A connection from a client that stays open: its socket, non-blocking. */
int lab_connect(const char *source, unsigned port);

/* A plain listener that answers nobody and accepts everybody, in the node's namespace. */
pid_t lab_listen(unsigned port);
