/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Log lines to the journal with structured fields, or to standard error when that is not the journal.
 * Programs log; library code returns errors. Log transitions, not polls.
 *
 * Message ids stand in packaging/catalog, each with a remedy. */

#include <syslog.h>

#include "cleanup.h"

/* 128-bit message ids, new ones from `systemd-id128 new`. */
#define MESSAGE_CONDITION_CHANGED "9d6cb5f9d2df4a43b5a05a0c4f1b7e01"
#define MESSAGE_CONFIG_REFUSED    "9d6cb5f9d2df4a43b5a05a0c4f1b7e02"
#define MESSAGE_CONFIG_APPLIED    "9d6cb5f9d2df4a43b5a05a0c4f1b7e03"
#define MESSAGE_CONFIG_WITHDRAWN  "9d6cb5f9d2df4a43b5a05a0c4f1b7e04"
#define MESSAGE_APPLY_FAILED      "9d6cb5f9d2df4a43b5a05a0c4f1b7e05"
#define MESSAGE_PLUGIN_SILENT     "9d6cb5f9d2df4a43b5a05a0c4f1b7e06"
#define MESSAGE_REQUEST_REFUSED   "9d6cb5f9d2df4a43b5a05a0c4f1b7e07"
#define MESSAGE_REQUEST_SERVED    "9d6cb5f9d2df4a43b5a05a0c4f1b7e08"
#define MESSAGE_GATEWAY_MATERIAL  "9d6cb5f9d2df4a43b5a05a0c4f1b7e09"
#define MESSAGE_CLIENT_REFUSED    "9d6cb5f9d2df4a43b5a05a0c4f1b7e0a"
#define MESSAGE_SNAPSHOT_TAKEN    "9d6cb5f9d2df4a43b5a05a0c4f1b7e0b"
#define MESSAGE_SNAPSHOT_FAILED   "9d6cb5f9d2df4a43b5a05a0c4f1b7e0c"
#define MESSAGE_SNAPSHOT_PRUNED   "9d6cb5f9d2df4a43b5a05a0c4f1b7e0d"
#define MESSAGE_SNAPSHOTS_RESUMED "9d6cb5f9d2df4a43b5a05a0c4f1b7e41"
#define MESSAGE_RETENTION_HELD    "9d6cb5f9d2df4a43b5a05a0c4f1b7e42"
#define MESSAGE_RETENTION_RESUMED "9d6cb5f9d2df4a43b5a05a0c4f1b7e43"
#define MESSAGE_CLOCK_SKEWED      "9d6cb5f9d2df4a43b5a05a0c4f1b7e44"
#define MESSAGE_MEMBER_BUSY       "9d6cb5f9d2df4a43b5a05a0c4f1b7e45"
#define MESSAGE_PUBLISHING_FAILS  "9d6cb5f9d2df4a43b5a05a0c4f1b7e21"
#define MESSAGE_PUBLISHING_WORKS  "9d6cb5f9d2df4a43b5a05a0c4f1b7e22"
#define MESSAGE_RESTORE_BEGUN     "9d6cb5f9d2df4a43b5a05a0c4f1b7e31"
#define MESSAGE_RESTORED          "9d6cb5f9d2df4a43b5a05a0c4f1b7e32"
#define MESSAGE_RESTORE_FAILED    "9d6cb5f9d2df4a43b5a05a0c4f1b7e33"
#define MESSAGE_RESTORE_ABORTED   "9d6cb5f9d2df4a43b5a05a0c4f1b7e34"
#define MESSAGE_DRILL_PROVEN      "9d6cb5f9d2df4a43b5a05a0c4f1b7e35"
#define MESSAGE_DRILL_FAILED      "9d6cb5f9d2df4a43b5a05a0c4f1b7e36"
#define MESSAGE_WITHDRAWN         "9d6cb5f9d2df4a43b5a05a0c4f1b7e23"
#define MESSAGE_TABLE_REPAIRED    "9d6cb5f9d2df4a43b5a05a0c4f1b7e51"

/* Call once, first thing in main: remembers the program's name and whether standard error is the journal
 * ($JOURNAL_STREAM, systemd.exec(5)). */
void log_open(const char *program);

/* One line of the given syslog priority; message_id may be NULL. Line breaks in the text become spaces. */
void log_message(int priority, const char *message_id, const char *format, ...) _printf_(3, 4);

/* One error line that ends in ": " and strerror(-error). Returns error, so `return log_error(r, …)`. */
int log_error(int error, const char *format, ...) _printf_(2, 3);

#define log_info(...)    log_message(LOG_INFO, NULL, __VA_ARGS__)
#define log_notice(...)  log_message(LOG_NOTICE, NULL, __VA_ARGS__)
#define log_warning(...) log_message(LOG_WARNING, NULL, __VA_ARGS__)
