/* SPDX-License-Identifier: Apache-2.0 */

/* Three opinions on who gets in must agree: the list, the packets, and the rules as nft shows them. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "files.h"
#include "filter.h"
#include "network-lab.h"
#include "program.h"
#include "quantity.h"
#include "ruleset.h"
#include "timestamp.h"

#define STATE "var/lib/capi-node-agent/kube-api-filter"

static char *root;
static struct filter *filter;
static unsigned seed;

static unsigned random_below(unsigned n)
{
        return (unsigned)rand_r(&seed) % n;
}

static int open_filter(void **state)
{
        _cleanup_free_ char *directory = NULL;

        seed = 20261121;
        root = root_make();
        assert_true(asprintf(&directory, "%s/" STATE, root) > 0);
        assert_int_equal(directory_make(directory, 0700), 0);
        return filter_open(directory, &filter, NULL);
}

static int close_filter(void **state)
{
        assert_int_equal(ruleset_remove(filter->netlink), 0);
        filter = filter_free(filter);
        root_remove(root);
        return 0;
}

static struct filter_list *new_list(void)
{
        struct filter_list *list;

        assert_int_equal(filter_list_new(&list), 0);
        assert_int_equal(filter_list_add_port(list, API_PORT), 0);
        return list;
}

static void add(struct filter_list *list, enum source_class class, const char *text)
{
        struct cidr cidr;

        assert_int_equal(cidr_parse(text, &cidr), 0);
        assert_int_equal(filter_list_add(list, class, &cidr), 0);
}

static void switch_to(struct filter_list *list)
{
        assert_int_equal(filter_want(filter, list, NULL), 0);
        if (filter_phase(filter) == FILTER_CONFIRMED)
                return;
        assert_int_equal(filter_try(filter, USEC_PER_HOUR, true, NULL), 0);
        assert_int_equal(filter_confirm(filter, NULL), 0);
}

/* What nft's rules say of a source must be what the list says of it, and by the same class. */
static void check_verdict(const struct filter_list *list, const char *source, const char *verdict)
{
        char expected[64];
        enum source_class class;
        enum ip_family family;
        ip_number address;

        assert_int_equal(ip_parse(source, &family, &address), 0);
        if (filter_list_has(list, family, address, &class, NULL))
                (void)snprintf(expected, sizeof(expected), "accept accepted_%s_%s", source_class_name(class),
                               ip_family_name(family));
        else
                (void)snprintf(expected, sizeof(expected), "drop dropped_%s", ip_family_name(family));
        if (strcmp(verdict, expected) != 0)
                fail_msg("%s: the rules say \"%s\", the list says \"%s\"", source, verdict, expected);
}

static void check_rules(const struct filter_list *list, const char *const *sources, size_t n)
{
        _cleanup_free_ char *packets = NULL, *command = NULL, *verdicts = NULL;
        char *rest, *line;
        size_t size = 0, i = 0;
        FILE *stream = open_memstream(&packets, &size);

        assert_non_null(stream);
        for (size_t k = 0; k < n; k++)
                fprintf(stream, "%s %d\n", sources[k], API_PORT);
        assert_int_equal(fclose(stream), 0);
        root_write(root, "packets", packets, 0600);
        assert_true(asprintf(&command, JUDGE_PACKETS " <%s/packets >%s/verdicts", root, root) > 0);
        lab_node(command);
        verdicts = root_read(root, "verdicts");
        assert_non_null(verdicts);
        for (line = strtok_r(verdicts, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
                assert_true(i < n);
                check_verdict(list, sources[i++], line);
        }
        assert_int_equal(i, n);
}

#define SOURCES 120

static void the_list_the_packets_and_what_nft_shows_agree(void **state)
{
        char texts[SOURCES][CIDR_TEXT_SIZE];
        const char *sources[SOURCES];
        bool passed[SOURCES];

        for (size_t i = 0; i < SOURCES; i++) {
                (void)snprintf(texts[i], CIDR_TEXT_SIZE, i % 2 ? "203.0.%u.%u" : "2001:db8:%x::%x",
                               random_below(8), random_below(8) + 1);
                sources[i] = texts[i];
                lab_add_client(texts[i]);
        }
        for (unsigned round = 0; round < 4; round++) {
                _cleanup_(filter_list_unrefp) struct filter_list *list = new_list();

                for (unsigned i = 0; i < 40; i++) {
                        char text[CIDR_TEXT_SIZE];
                        struct cidr cidr;

                        (void)snprintf(text, sizeof(text), i % 2 ? "203.0.%u.%u" : "2001:db8:%x::%x",
                                       random_below(8), random_below(8) + 1);
                        assert_int_equal(cidr_parse(text, &cidr), 0);
                        cidr.last += random_below(4);
                        assert_int_equal(filter_list_add(list, (enum source_class)(i % CLASSES), &cidr), 0);
                }
                filter_list_finish(list);
                switch_to(list);
                check_rules(list, sources, SOURCES);
                lab_reach_all(sources, SOURCES, API_PORT, passed);
                for (size_t i = 0; i < SOURCES; i++) {
                        enum ip_family family;
                        ip_number address;

                        assert_int_equal(ip_parse(sources[i], &family, &address), 0);
                        if (passed[i] != filter_list_has(list, family, address, NULL, NULL))
                                fail_msg("round %u: %s passed: %d", round, sources[i], passed[i]);
                }
        }
}

#define LONG_LIST 4000 /* several sets */
#define LOOKED_AT 200
#define EDGES     (4 * LOOKED_AT)

/* Each network of the list, or a neighbour of it, is let in; both its edges and the addresses beside them are
 * looked at. */
static struct filter_list *make_from(const bool *there, size_t n)
{
        struct filter_list *list = new_list();

        for (size_t i = 0; i < n; i++)
                if (there[i]) {
                        const ip_number first = 0x0B000000 + i * 8;

                        assert_int_equal(filter_list_add(list, CLASS_ALLOW,
                                                         &(struct cidr){ IP_V4, first, first + 5 }),
                                         0);
                }
        /* The edges of all addresses, where half-open ranges are easily wrong. */
        add(list, CLASS_PODS, "0.0.0.0/24");
        add(list, CLASS_PODS, "255.255.255.255");
        add(list, CLASS_PODS, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ff00/120");
        filter_list_finish(list);
        return list;
}

static void small_changes_of_a_long_list_are_small_and_right(void **state)
{
        static const char *const ends[] = { "0.0.0.0",         "0.0.0.255",
                                            "0.0.1.0",         "255.255.255.254",
                                            "255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                                            "ffff:ffff::",     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ff00" };
        static char texts[EDGES][CIDR_TEXT_SIZE];
        const char *sources[EDGES + ELEMENTS(ends)];
        unsigned look_at[LOOKED_AT];
        bool there[LONG_LIST];

        for (size_t i = 0; i < LOOKED_AT; i++)
                look_at[i] = (unsigned)(i * LONG_LIST / LOOKED_AT);
        for (size_t i = 0; i < LONG_LIST; i++)
                there[i] = i % 5 != 0;
        for (size_t i = 0; i < EDGES; i++)
                sources[i] = texts[i];
        memcpy(sources + EDGES, ends, sizeof(ends));
        for (unsigned round = 0; round < 5; round++) {
                _cleanup_(filter_list_unrefp) struct filter_list *list = NULL;

                for (unsigned i = 0; round > 0 && i < 5; i++) {
                        unsigned which = random_below(LONG_LIST / 2);

                        there[which] = !there[which];
                        look_at[i] = which;
                }
                for (size_t i = 0; i < EDGES; i++)
                        ip_format(IP_V4,
                                  0x0B000000 + look_at[i / 4] * 8 + (const unsigned[]){ 0, 5, 6, 7 }[i % 4],
                                  texts[i]);
                list = make_from(there, LONG_LIST);
                switch_to(list);
                check_rules(list, sources, ELEMENTS(sources));
        }
        /* Sets in which nothing changed are those of the beginning. */
        lab_node("nft list sets inet | grep -q 'set allow_v4_1_'");
}

#define MANY 100000

static struct filter_list *make_many(unsigned more)
{
        struct filter_list *list = new_list();

        for (unsigned i = 0; i < MANY + more; i++) {
                const bool six = i % 4 == 0;
                const ip_number first = six ? ((ip_number)0x20010DB8 << 96) + ((ip_number)i << 64)
                                            : (ip_number)0x0B000000 + (ip_number)i * 512;
                const ip_number size = six ? (ip_number)1 << 32 : 256;

                assert_int_equal(filter_list_add(list, CLASS_ALLOW,
                                                 &(struct cidr){ six ? IP_V6 : IP_V4, first,
                                                                 first + size - 1 }),
                                 0);
        }
        add(list, CLASS_ALLOW, FRIEND);
        filter_list_finish(list);
        return list;
}

/* What this process and the kernel for it have done: a busy machine makes everything last, and proves
 * nothing. */
static uint64_t processor_usec(void)
{
        struct timespec time;

        assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time), 0);
        return (uint64_t)time.tv_sec * USEC_PER_SEC + (uint64_t)time.tv_nsec / 1000;
}

static void a_hundred_thousand_networks_are_in_force_in_seconds_and_one_more_at_once(void **state)
{
        /* The first of a range, and the first behind it. */
        static const char *const in[] = { FRIEND, "11.0.2.0", "2001:db8:0:4::5" };
        static const char *const out[] = { STRANGER, "11.0.3.0", "2001:db8::1:0:0" };
        _cleanup_(filter_list_unrefp) struct filter_list *many = make_many(0), *more = make_many(1);
        uint64_t began = processor_usec(), loaded, changed;

        switch_to(many);
        loaded = processor_usec();
        switch_to(more);
        changed = processor_usec();
        print_message("# %d networks in %.2f s, one more in %.3f s\n", MANY,
                      (double)(loaded - began) / USEC_PER_SEC, (double)(changed - loaded) / USEC_PER_SEC);
        assert_true(loaded - began < 20 * test_patience() * USEC_PER_SEC);
        assert_true(changed - loaded < 2 * test_patience() * USEC_PER_SEC);
        for (size_t i = 0; i < ELEMENTS(in); i++) {
                lab_add_client(in[i]);
                lab_add_client(out[i]);
                assert_int_equal(lab_reach(in[i], API_PORT), REACH_CONNECTED);
                assert_int_equal(lab_reach(out[i], API_PORT), REACH_DROPPED);
        }
}

/* A process that is killed at this point of a repair. */
static void repair_until(const char *point)
{
        int status;
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
                setenv("CAPI_NODE_FAULT_POINT", point, 1);
                (void)filter_enforce(filter, &(struct touched_sets){ .all = true }, NULL);
                _exit(1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        /* Which names it has used. */
        state_clear(&filter->state);
        assert_int_equal(state_load(filter->directory, &filter->state), 0);
}

/* 100,000 networks take a while, so that something comes first that lets in all of them and keeps most others
 * out. */
static void a_removed_table_of_a_long_list_is_covered_before_the_list_is_loaded(void **state)
{
        static const char *const in[] = { FRIEND, "11.0.2.0", "2001:db8:0:4::5" };
        _cleanup_(filter_list_unrefp) struct filter_list *many = make_many(0);
        uint64_t began;

        for (size_t i = 0; i < ELEMENTS(in); i++)
                lab_add_client(in[i]);
        lab_add_client("11.0.3.0");
        switch_to(many);
        lab_node("nft flush ruleset");
        began = now_boottime_usec();
        repair_until("kube-api-filter-covered");
        print_message("# covered after %.1f ms\n", (double)(now_boottime_usec() - began) / USEC_PER_MSEC);
        lab_node("nft list chain inet capi_node_agent input | grep -q 'cover of confirmed list sha256:'");
        for (size_t i = 0; i < ELEMENTS(in); i++)
                assert_int_equal(lab_reach(in[i], API_PORT), REACH_CONNECTED);
        assert_int_equal(lab_reach(STRANGER, API_PORT), REACH_DROPPED);
        assert_int_equal(lab_reach(STRANGER_SIX, API_PORT), REACH_DROPPED);
        /* The list replaces the cover; killed on its way there, it has not changed anything. */
        repair_until("kube-api-filter-slice");
        lab_node("nft list chain inet capi_node_agent input | grep -q 'cover of confirmed list sha256:'");
        assert_int_equal(filter_enforce(filter, &(struct touched_sets){ .all = true }, NULL), 0);
        lab_node("nft list chain inet capi_node_agent input | grep -q ' confirmed list sha256:'");
        lab_node("! nft list chain inet capi_node_agent input | grep -q cover");
        for (size_t i = 0; i < ELEMENTS(in); i++)
                assert_int_equal(lab_reach(in[i], API_PORT), REACH_CONNECTED);
        assert_int_equal(lab_reach(STRANGER, API_PORT), REACH_DROPPED);
        assert_int_equal(lab_reach("11.0.3.0", API_PORT), REACH_DROPPED);
}

#define SETS_OF_LIST "nft list sets inet | grep -o 'allow_v[46]_[0-9_]*' | sort"

static void a_set_of_a_long_list_that_somebody_changed_is_loaded_anew_alone(void **state)
{
        _cleanup_(filter_list_unrefp) struct filter_list *many = make_many(0);
        struct touched_sets touched = {};

        lab_add_client("11.0.2.0");
        switch_to(many);
        lab_node(SETS_OF_LIST " >/dev/shm/capi-node-test-before");
        touched_sets_add(&touched, "allow_v4_1_1");
        lab_node("nft flush set inet capi_node_agent allow_v4_1_1");
        assert_int_equal(lab_reach("11.0.2.0", API_PORT), REACH_DROPPED);
        assert_int_equal(filter_enforce(filter, &touched, NULL), 0);
        assert_int_equal(lab_reach("11.0.2.0", API_PORT), REACH_CONNECTED);
        lab_node("test \"$(" SETS_OF_LIST
                 " | comm -13 /dev/shm/capi-node-test-before - | wc -l)\" = 1; r=$?; "
                 "rm /dev/shm/capi-node-test-before; exit $r");
}

/* SCS-0217 names them; on a node of its own, all of them belong to the cluster only. */
static void the_ports_of_scs_0217_are_shut_to_strangers(void **state)
{
        static const uint16_t ports[] = { 2379, 2380, 2381, 10250, 10257, 10259 };
        _cleanup_(filter_list_unrefp) struct filter_list *list = new_list();

        add(list, CLASS_NODES, FRIEND);
        for (size_t i = 0; i < ELEMENTS(ports); i++)
                assert_int_equal(filter_list_add_port(list, ports[i]), 0);
        filter_list_finish(list);
        for (size_t i = 0; i < ELEMENTS(ports); i++)
                assert_int_equal(lab_reach(STRANGER, ports[i]),
                                 REACH_REFUSED); /* nobody listens: let through */
        switch_to(list);
        for (size_t i = 0; i < ELEMENTS(ports); i++) {
                assert_int_equal(lab_reach(STRANGER, ports[i]), REACH_DROPPED);
                assert_int_equal(lab_reach(FRIEND, ports[i]), REACH_REFUSED);
        }
        assert_int_equal(lab_reach(STRANGER, 2382), REACH_REFUSED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_filter, close_filter)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(the_list_the_packets_and_what_nft_shows_agree),
                TEST(small_changes_of_a_long_list_are_small_and_right),
                TEST(a_hundred_thousand_networks_are_in_force_in_seconds_and_one_more_at_once),
                TEST(a_removed_table_of_a_long_list_is_covered_before_the_list_is_loaded),
                TEST(a_set_of_a_long_list_that_somebody_changed_is_loaded_anew_alone),
                TEST(the_ports_of_scs_0217_are_shut_to_strangers),
        };

        return cmocka_run_group_tests(tests, lab_open_listening, lab_close);
}
