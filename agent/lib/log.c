/* SPDX-License-Identifier: Apache-2.0 */

#include "log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>
#include <systemd/sd-login.h>

#define LINE_MAX_SIZE 4096

static const char *program_name = "capi-node";
static bool to_journal;
static char *unit; /* whose process this is; NULL: not known */

void log_open(const char *program)
{
        const char *stream = getenv("JOURNAL_STREAM");
        unsigned long long device, inode;
        struct stat st;

        program_name = program;
        to_journal = stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
                     fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
        if (to_journal && sd_pid_get_unit(0, &unit) < 0)
                unit = NULL;
}

static void send_line(int priority, const char *message_id, char *line)
{
        for (char *c = line; *c; c++)
                if (*c == '\n' || *c == '\r')
                        *c = ' ';

        if (to_journal) {
                /* journald looks into /proc for the unit of a message, where a process that has ended since
                 * is not found. `journalctl --unit` shows what root's processes say of a unit, too
                 * (systemd.journal-fields(7), OBJECT_SYSTEMD_UNIT). */
                if (sd_journal_send("MESSAGE=%s", line, "PRIORITY=%i", priority, "SYSLOG_IDENTIFIER=%s",
                                    program_name, "OBJECT_SYSTEMD_UNIT=%s", unit ?: "",
                                    message_id ? "MESSAGE_ID=%s" : NULL, message_id, NULL) >= 0)
                        return;
        }
        /* Also the last resort when journald is not there: standard error is what systemd keeps of us. */
        fprintf(stderr, "%s: %s\n", program_name, line);
}

void log_message(int priority, const char *message_id, const char *format, ...)
{
        char line[LINE_MAX_SIZE];
        va_list arguments;

        va_start(arguments, format);
        (void)vsnprintf(line, sizeof(line), format, arguments);
        va_end(arguments);
        send_line(priority, message_id, line);
}

int log_error(int error, const char *format, ...)
{
        char text[LINE_MAX_SIZE - 256], line[LINE_MAX_SIZE];
        va_list arguments;

        va_start(arguments, format);
        (void)vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        (void)snprintf(line, sizeof(line), "%s: %s", text, strerror(-error));
        send_line(LOG_ERR, NULL, line);
        return error;
}
