/* SPDX-License-Identifier: Apache-2.0 */

#include "unit-state.h"

#include <string.h>

#include "quantity.h"

static bool is(const char *a, const char *b)
{
        return strcmp(a, b) == 0;
}

void unit_history_note(struct unit_history *history, const struct unit_facts *facts, uint64_t now_usec)
{
        uint32_t added = 0;

        /* systemd counts from zero again when somebody starts the unit by hand. */
        if (history->seen)
                added = facts->n_restarts >= history->n_restarts ? facts->n_restarts - history->n_restarts
                                                                 : facts->n_restarts;
        if (added > NODE_HEALTH_RESTARTS_MAX)
                added = NODE_HEALTH_RESTARTS_MAX;
        for (; added > 0; added--)
                history->restarts_usec[history->n_noted++ % NODE_HEALTH_RESTARTS_MAX] = now_usec;
        history->seen = true;
        history->n_restarts = facts->n_restarts;

        if (!is(facts->active_state, "activating"))
                history->starting_since_usec = 0;
        else if (history->starting_since_usec == 0)
                history->starting_since_usec = now_usec;
}

unsigned unit_history_restarts(const struct unit_history *history, uint64_t window_usec, uint64_t now_usec)
{
        unsigned kept =
                history->n_noted < NODE_HEALTH_RESTARTS_MAX ? history->n_noted : NODE_HEALTH_RESTARTS_MAX;
        unsigned n = 0;

        for (unsigned i = 0; i < kept; i++)
                n += now_usec - history->restarts_usec[i] < window_usec;
        return n;
}

static void set(struct check_result *result, enum check_status status, const struct unit_name *name,
                const char *suffix, const char *text)
{
        char reason[sizeof(result->reason)];

        (void)snprintf(reason, sizeof(reason), "%s%s", name->prefix, suffix);
        check_result_set(result, status, reason, "%s %s", name->unit, text);
}

static void judge_not_loaded(const struct unit_name *name, const struct unit_facts *facts,
                             struct check_result *ret)
{
        char text[200];

        if (is(facts->load_state, "not-found")) {
                (void)snprintf(
                        text, sizeof(text),
                        "is not installed; install it, or set checks.%s.enabled to false in node-health.json",
                        name->check);
                set(ret, CHECK_FAIL, name, "NotInstalled", text);
        } else if (is(facts->load_state, "masked")) {
                (void)snprintf(text, sizeof(text), "is masked; type: systemctl unmask --now %s", name->unit);
                set(ret, CHECK_FAIL, name, "Masked", text);
        } else {
                (void)snprintf(text, sizeof(text), "cannot be loaded (%s); look at: systemctl status %s",
                               facts->load_state, name->unit);
                set(ret, CHECK_FAIL, name, "UnitBroken", text);
        }
}

static void judge_starting(const struct unit_name *name, const struct unit_facts *facts,
                           const struct unit_history *history, const struct unit_config *config,
                           uint64_t now_usec, struct check_result *ret)
{
        char text[200], timeout[QUANTITY_SIZE];

        if (is(facts->sub_state, "auto-restart")) {
                (void)snprintf(
                        text, sizeof(text),
                        "ended (%s, status %d) and waits for its next restart; look at: journalctl -u %s",
                        facts->result, facts->exit_status, name->unit);
                set(ret, CHECK_FAIL, name, "Crashing", text);
        } else if (now_usec - history->starting_since_usec >= config->start_timeout_usec) {
                (void)snprintf(text, sizeof(text),
                               "has been starting (%s) for more than %s; look at: journalctl -u %s",
                               facts->sub_state, duration_format(config->start_timeout_usec, timeout),
                               name->unit);
                set(ret, CHECK_FAIL, name, "StuckStarting", text);
        } else {
                (void)snprintf(text, sizeof(text), "is starting (%s)", facts->sub_state);
                set(ret, CHECK_UNKNOWN, name, "Starting", text);
        }
}

static void judge_running(const struct unit_name *name, const struct unit_facts *facts,
                          const struct unit_history *history, const struct unit_config *config,
                          uint64_t now_usec, struct check_result *ret)
{
        unsigned restarts = unit_history_restarts(history, config->restart_window_usec, now_usec);
        char text[200], window[QUANTITY_SIZE];

        if (is(facts->sub_state, "exited")) {
                set(ret, CHECK_FAIL, name, "NotRunning", "is active, but its process has ended");
        } else if (restarts >= (unsigned)config->restarts) {
                (void)snprintf(text, sizeof(text),
                               "restarted %d times or more within %s; look at: journalctl -u %s",
                               (int)config->restarts, duration_format(config->restart_window_usec, window),
                               name->unit);
                set(ret, CHECK_FAIL, name, "RestartsTooOften", text);
        } else {
                set(ret, CHECK_OK, name, "Running", "is running");
        }
        ret->value = restarts;
        ret->threshold = (double)config->restarts;
}

void unit_judge(const struct unit_name *name, const struct unit_facts *facts,
                const struct unit_history *history, const struct unit_config *config, uint64_t now_usec,
                struct check_result *ret)
{
        const char *active = facts->active_state;
        char text[200];

        if (!is(facts->load_state, "loaded")) {
                judge_not_loaded(name, facts, ret);
        } else if (is(active, "active") || is(active, "reloading") || is(active, "refreshing")) {
                judge_running(name, facts, history, config, now_usec, ret);
        } else if (is(active, "activating")) {
                judge_starting(name, facts, history, config, now_usec, ret);
        } else if (is(active, "failed")) {
                (void)snprintf(text, sizeof(text),
                               "failed (%s, status %d) after %u restarts; look at: journalctl -u %s",
                               facts->result, facts->exit_status, facts->n_restarts, name->unit);
                set(ret, CHECK_FAIL, name, "Failed", text);
        } else if (is(active, "inactive") || is(active, "deactivating")) {
                (void)snprintf(text, sizeof(text), "is not running (%s, %s); type: systemctl start %s",
                               active, facts->sub_state, name->unit);
                set(ret, CHECK_FAIL, name, "NotRunning", text);
        } else {
                (void)snprintf(text, sizeof(text), "is in the state \"%s\", which this version does not know",
                               active);
                set(ret, CHECK_UNKNOWN, name, "StateUnclear", text);
        }
}
