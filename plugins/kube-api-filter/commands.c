/* SPDX-License-Identifier: Apache-2.0 */

#include "commands.h"

#include <string.h>

#include "files.h"
#include "quantity.h"
#include "ruleset.h"
#include "service.h"
#include "timestamp.h"

#define DISABLE_DEFAULT (30 * USEC_PER_MIN)
#define DISABLE_MAX     USEC_PER_DAY

static const struct program program = { .name = "capi-node kube-api-filter" };

/* Asks the resident process, or does it here when there is none. Returns an exit status. */
static int ask(struct plugin_context *ctx, const struct request *request)
{
        _cleanup_free_ char *text = NULL;
        _cleanup_failure_ failure = {};
        struct service *service;
        void *config = NULL;
        int r;

        r = service_open(ctx, &service, &failure);
        if (r == -EBUSY) {
                r = service_ask(ctx->state_dir, request, &text);
        } else if (r >= 0) {
                r = plugin_load_config(ctx, &config, &failure);
                if (r >= 0)
                        r = service_apply(ctx, config, &failure);
                if (r >= 0)
                        r = service_perform(service, request, &text);
                config_free(ctx->plugin->config, config);
        }
        if (!text && failure.message)
                text = strdup(failure.message);
        if (r < 0)
                fprintf(stderr, "%s\n", text ? text : strerror(-r));
        else
                printf("%s\n", text);
        return r < 0 ? EXIT_UNHEALTHY : EXIT_GOOD;
}

static int without_arguments(int argc, char *argv[], void *userdata, enum operation operation)
{
        if (argc > 1)
                return usage_error(&program, "%s takes no arguments", argv[0]);
        return ask(userdata, &(struct request){ .operation = operation });
}

int filter_run_confirm(int argc, char *argv[], void *userdata)
{
        return without_arguments(argc, argv, userdata, OPERATION_CONFIRM);
}

int filter_run_rollback(int argc, char *argv[], void *userdata)
{
        return without_arguments(argc, argv, userdata, OPERATION_ROLLBACK);
}

int filter_run_enable(int argc, char *argv[], void *userdata)
{
        return without_arguments(argc, argv, userdata, OPERATION_ENABLE);
}

/* The duration behind an option. */
static int take_duration(int argc, char *argv[], int *i, uint64_t maximum, uint64_t *ret)
{
        if (*i + 1 >= argc || duration_parse(argv[*i + 1], ret) < 0 || *ret < USEC_PER_SEC || *ret > maximum)
                return -EINVAL;
        ++*i;
        return 0;
}

int filter_run_disable(int argc, char *argv[], void *userdata)
{
        struct request request = { .operation = OPERATION_DISABLE, .usec = DISABLE_DEFAULT };

        for (int i = 1; i < argc; i++)
                if (strcmp(argv[i], "--for") != 0 ||
                    take_duration(argc, argv, &i, DISABLE_MAX, &request.usec) < 0)
                        return usage_error(&program, "disable takes --for TIME, 1s to 1d");
        return ask(userdata, &request);
}

/* FILE instead of the configuration in force. Returns an exit status. */
static int load_config(struct plugin_context *ctx, const char *file, struct filter_config **ret)
{
        _cleanup_failure_ failure = {};
        _cleanup_free_ char *text = NULL;
        void *config = NULL;
        size_t size;
        int r;

        if (!file) {
                r = plugin_load_config(ctx, &config, &failure);
        } else {
                r = file_read(file, CONFIG_SIZE_MAX, &text, &size);
                if (r >= 0)
                        r = config_parse(ctx->plugin->config, file, text, size, &config, &failure);
        }
        if (r < 0) {
                fprintf(stderr, "%s\n", failure.message ? failure.message : strerror(-r));
                return EXIT_CONFIGURATION;
        }
        *ret = config;
        return EXIT_GOOD;
}

int filter_run_apply(int argc, char *argv[], void *userdata)
{
        struct plugin_context *ctx = userdata;
        struct request request = { .operation = OPERATION_APPLY };
        struct filter_config *config = NULL;
        _cleanup_failure_ failure = {};
        uint64_t confirm = 0;
        int status;

        for (int i = 1; i < argc; i++) {
                if (strcmp(argv[i], "--dry-run") == 0)
                        ctx->dry_run = true;
                else if (strcmp(argv[i], "--force") == 0)
                        request.force = true;
                else if (strcmp(argv[i], "--confirm") != 0 ||
                         take_duration(argc, argv, &i, USEC_PER_HOUR, &confirm) < 0)
                        return usage_error(&program,
                                           "apply takes --dry-run, --force and --confirm TIME, 1s to 1h");
        }
        status = load_config(ctx, NULL, &config);
        if (status != EXIT_GOOD)
                return status;
        request.usec = confirm ? confirm : config->confirm_usec;
        request.force = request.force || config->force;
        if (ctx->dry_run && service_apply(ctx, config, &failure) < 0) {
                fprintf(stderr, "%s\n", failure.message ? failure.message : "cannot make the list");
                status = EXIT_UNHEALTHY;
        }
        config_free(ctx->plugin->config, config);
        return ctx->dry_run ? status : ask(ctx, &request);
}

static int print_cut(const struct cut *cut)
{
        char address[CIDR_TEXT_SIZE];

        if (cut->peers.count == 0) {
                printf("nobody who is connected now would be cut off\n");
                return EXIT_GOOD;
        }
        for (size_t i = 0; i < cut->peers.count; i++)
                printf("%-40s %u connection(s) would be cut off\n",
                       ip_format(cut->peers.items[i].family, cut->peers.items[i].address, address),
                       cut->peers.items[i].connections);
        if (!cut->needed)
                return EXIT_GOOD;
        printf("refused unless forced, because of %s\n", cut->needed);
        return EXIT_UNHEALTHY;
}

int filter_run_preview(int argc, char *argv[], void *userdata)
{
        struct plugin_context *ctx = userdata;
        _cleanup_(filter_list_unrefp) struct filter_list *list = NULL;
        _cleanup_(filter_freep) struct filter *filter = NULL;
        struct filter_config *config = NULL;
        _cleanup_failure_ failure = {};
        _cleanup_cut_ cut = {};
        int status, r;

        if (argc > 2)
                return usage_error(&program, "preview takes one file");
        status = load_config(ctx, argc == 2 ? argv[1] : NULL, &config);
        if (status != EXIT_GOOD)
                return status;
        r = filter_open(ctx->state_dir, &filter, &failure);
        if (r >= 0)
                r = sources_collect(ctx->root, config, &filter->state.names, &list, &failure);
        if (r >= 0)
                r = filter_preview(filter, list, &cut);
        config_free(ctx->plugin->config, config);
        if (r < 0) {
                fprintf(stderr, "%s\n", failure.message ? failure.message : strerror(-r));
                return EXIT_UNHEALTHY;
        }
        return print_cut(&cut);
}

/* The list that decides now; NULL: none does. */
static int deciding_list(const struct plugin_context *ctx, const struct filter_state *state,
                         const char **ret_name, struct filter_list **ret)
{
        bool trial = state->candidate[0] && state->deadline_usec > now_boottime_usec();
        int r;

        *ret_name = trial ? "list on trial" : "confirmed list";
        r = state_load_list(ctx->state_dir, trial ? state->candidate : state->confirmed, ret);
        return r == -ENOENT ? 0 : r;
}

/* "ADDRESS", "ADDRESS:PORT", "[V6]:PORT". port 0: none given. */
static int parse_source(const char *text, enum ip_family *ret_family, ip_number *ret, unsigned *ret_port)
{
        char address[CIDR_TEXT_SIZE];
        const char *port = NULL;
        size_t length = strlen(text);

        *ret_port = 0;
        if (ip_parse(text, ret_family, ret) >= 0)
                return 0;
        port = strrchr(text, ':');
        if (!port || length >= sizeof(address))
                return -EINVAL;
        if (text[0] == '[' && port > text && port[-1] == ']')
                (void)snprintf(address, sizeof(address), "%.*s", (int)(port - text - 2), text + 1);
        else
                (void)snprintf(address, sizeof(address), "%.*s", (int)(port - text), text);
        if (port[1] < '0' || port[1] > '9' || strlen(port + 1) > 5)
                return -EINVAL;
        *ret_port = (unsigned)strtoul(port + 1, NULL, 10);
        return *ret_port > UINT16_MAX ? -EINVAL : ip_parse(address, ret_family, ret);
}

static bool always_in(enum ip_family family, ip_number address, const char **ret_why)
{
        _cleanup_node_networks_ networks = {};

        if (family == IP_V4 ? address >> 24 == 127 : address == 1) {
                *ret_why = "loopback";
                return true;
        }
        if (family == IP_V6 && address >> 118 == 0xFE80 >> 6) {
                *ret_why = "link-local";
                return true;
        }
        *ret_why = "an address of this node";
        return node_networks_read(&networks) >= 0 && cidr_set_has(&networks.addresses[family], address, NULL);
}

static bool has_port(const struct filter_list *list, unsigned port)
{
        for (size_t i = 0; i < list->n_ports; i++)
                if (port == 0 || list->ports[i] == port)
                        return true;
        return false;
}

static int print_verdict(const struct filter_list *list, const char *name, enum ip_family family,
                         ip_number address)
{
        enum source_class class;
        struct cidr_range range;
        char text[CIDR_TEXT_SIZE];

        if (filter_list_has(list, family, address, &class, &range)) {
                printf("let in: %s %s of the %s\n", source_class_name(class),
                       cidr_format(&(struct cidr){ family, range.first, range.last }, text), name);
                return EXIT_GOOD;
        }
        if (list->audit) {
                printf("let in, and counted: on no list, but mode is audit\n");
                return EXIT_GOOD;
        }
        printf("dropped: on no list of the %s\n", name);
        return EXIT_UNHEALTHY;
}

int filter_run_test(int argc, char *argv[], void *userdata)
{
        const struct plugin_context *ctx = userdata;
        _cleanup_(filter_list_unrefp) struct filter_list *list = NULL;
        _cleanup_(state_clear) struct filter_state state = {};
        const char *name, *why;
        enum ip_family family;
        ip_number address;
        unsigned port;
        int r;

        if (argc != 2 || parse_source(argv[1], &family, &address, &port) < 0)
                return usage_error(&program, "test takes one ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT");
        r = state_load(ctx->state_dir, &state);
        if (r >= 0)
                r = deciding_list(ctx, &state, &name, &list);
        if (r < 0) {
                fprintf(stderr, "cannot read %s: %s\n", ctx->state_dir, strerror(-r));
                return EXIT_UNHEALTHY;
        }
        if (!list || !has_port(list, port)) {
                printf("let in: %s\n", list ? "the port is not filtered" : "no list is confirmed yet");
                return EXIT_GOOD;
        }
        if (state.disabled_until_usec > now_boottime_usec()) {
                printf("let in: the filter is switched off by command\n");
                return EXIT_GOOD;
        }
        if (always_in(family, address, &why)) {
                printf("let in: %s\n", why);
                return EXIT_GOOD;
        }
        return print_verdict(list, name, family, address);
}

/* Whether the node found the range by itself. */
static const char *origin(const struct filter_list *automatic, enum source_class class, enum ip_family family,
                          const struct cidr_range *range)
{
        const struct cidr_set *set = automatic ? &automatic->sets[class][family] : &(struct cidr_set){};
        const char *found = "";

        for (size_t i = 0; i < set->count; i++) {
                const struct cidr_range *own = &set->items[i];

                if (own->first <= range->first && range->last <= own->last)
                        return "  auto";
                if (own->first <= range->last && range->first <= own->last)
                        found = "  auto in part";
        }
        return found;
}

static void print_list(const char *name, const struct filter_list *list, const struct filter_list *automatic)
{
        char text[CIDR_TEXT_SIZE];

        printf("%s (%s), ports", name, list->audit ? "audit" : "enforce");
        for (size_t i = 0; i < list->n_ports; i++)
                printf(" %u", list->ports[i]);
        printf("\n");
        for (enum source_class c = 0; c < CLASSES; c++)
                for (enum ip_family f = 0; f < IP_FAMILIES; f++)
                        for (size_t i = 0; i < list->sets[c][f].count; i++) {
                                const struct cidr_range *range = &list->sets[c][f].items[i];

                                printf("  %-14s %s%s\n", source_class_name(c),
                                       cidr_format(&(struct cidr){ f, range->first, range->last }, text),
                                       origin(automatic, c, f, range));
                        }
}

static void print_counters(struct netlink *netlink)
{
        struct table_counters counters;

        if (table_read_counters(netlink, &counters) < 0)
                return;
        for (size_t i = 0; i < counters.count; i++)
                if (counters.items[i].packets > 0)
                        printf("  %-28s %12llu packets %14llu bytes\n", counters.items[i].name,
                               (unsigned long long)counters.items[i].packets,
                               (unsigned long long)counters.items[i].bytes);
        table_counters_clear(&counters);
}

/* The addresses that were dropped in the last hour. */
static void print_refused(struct netlink *netlink)
{
        char name[SET_NAME_SIZE], address[CIDR_TEXT_SIZE];
        size_t n = 0;

        for (enum ip_family f = 0; f < IP_FAMILIES; f++) {
                struct table_elements refused;

                if (table_read_elements(netlink, family_suffix(RULESET_REFUSED, f, name), f, &refused) < 0)
                        continue;
                for (size_t i = 0; i < refused.count; i++, n++)
                        if (n < REFUSED_SHOWN)
                                printf("%s  %s\n", n == 0 ? "on no list, in the last hour\n" : "",
                                       ip_format(f, refused.items[i].address, address));
                table_elements_clear(&refused);
        }
        if (n > REFUSED_SHOWN)
                printf("  and %zu more\n", n - REFUSED_SHOWN);
}

/* What only the kernel knows. */
static void print_table(void)
{
        _cleanup_(netlink_freep) struct netlink *netlink = NULL;
        _cleanup_table_ table = {};

        if (netlink_new(&netlink) < 0 || table_read(netlink, &table) < 0 || !table.exists) {
                printf("the kernel has no table capi_node_agent, or does not show it to you\n");
                return;
        }
        printf("packets\n");
        print_counters(netlink);
        print_refused(netlink);
        if (table.other_drops)
                printf("what these chains of others do not let in is dropped, too: %s\n", table.other_drops);
}

static void print_changes(const struct filter_state *state)
{
        char changed[TIMESTAMP_SIZE];

        if (state->changed_usec > 0)
                printf("generation %u, changed %s, repaired %llu times\n", state->generation,
                       timestamp_format(state->changed_usec, changed), (unsigned long long)state->repairs);
}

/* The report has it all as JSON. */
static int show_json(const struct plugin_context *ctx)
{
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        r = file_read(ctx->report_path, REPORT_SIZE_MAX, &text, &size);
        if (r < 0) {
                fprintf(stderr, "cannot read %s: %s\n", ctx->report_path, strerror(-r));
                return EXIT_UNHEALTHY;
        }
        fputs(text, stdout);
        return EXIT_GOOD;
}

/* What the configuration's "auto" stands for now; NULL when there is no configuration that says. */
static struct filter_list *load_automatic(struct plugin_context *ctx)
{
        struct filter_list *automatic = NULL;
        void *config = NULL;

        if (plugin_load_config(ctx, &config, NULL) >= 0)
                (void)sources_automatic(ctx->root, config, &automatic, NULL);
        config_free(ctx->plugin->config, config);
        return automatic;
}

int filter_run_show(int argc, char *argv[], void *userdata)
{
        struct plugin_context *ctx = userdata;
        _cleanup_(filter_list_unrefp) struct filter_list *confirmed = NULL, *candidate = NULL,
                                                         *automatic = NULL;
        _cleanup_(state_clear) struct filter_state state = {};
        uint64_t now = now_boottime_usec();
        char text[QUANTITY_SIZE];
        int r;

        if (argc == 2 && strcmp(argv[1], "--json") == 0)
                return show_json(ctx);
        if (argc > 1)
                return usage_error(&program, "show does not know \"%s\"", argv[1]);
        r = state_load(ctx->state_dir, &state);
        if (r < 0) {
                fprintf(stderr, "cannot read %s: %s\n", ctx->state_dir, strerror(-r));
                return EXIT_UNHEALTHY;
        }
        automatic = load_automatic(ctx);
        if (state.disabled_until_usec > now)
                printf("switched off for another %s\n",
                       duration_format_human(state.disabled_until_usec - now, text));
        if (state_load_list(ctx->state_dir, state.confirmed, &confirmed) >= 0)
                print_list("confirmed", confirmed, automatic);
        else
                printf("no list is confirmed yet: nobody is shut out\n");
        if (state.deadline_usec > now && state_load_list(ctx->state_dir, state.candidate, &candidate) >= 0) {
                print_list("on trial", candidate, automatic);
                printf("  for another %s\n", duration_format_human(state.deadline_usec - now, text));
        }
        if (state.rejected[0])
                printf("rolled back: %s\n",
                       state.rejected_because ? state.rejected_because : "not confirmed");
        print_changes(&state);
        print_table();
        return EXIT_GOOD;
}
