/* SPDX-License-Identifier: Apache-2.0 */

/* Sockets whose buffers are far too small: nothing is taken for done, or for not done, that is not so. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* Before the kernel's headers, which then leave out what it has defined. */
#include <netinet/in.h>

#include <libmnl/libmnl.h>

/* What others do before each question that the kernel is asked. */
static void (*meddle)(void);

static ssize_t ask_behind_others(const struct mnl_socket *socket, const void *question, size_t size)
{
        if (meddle)
                meddle();
        return mnl_socket_sendto(socket, question, size);
}

#include "../../plugins/kube-api-filter/monitor.c"
#define mnl_socket_sendto ask_behind_others
#include "../../plugins/kube-api-filter/netlink.c"
#undef mnl_socket_sendto

#include "files.h"
#include "filter.h"
#include "network-lab.h"
#include "program.h"
#include "quantity.h"
#include "ruleset.h"
#include "set.h"
#include "timestamp.h"

#define CHAINS 200

static void shrink(const struct mnl_socket *socket, int option)
{
        const int size = 1; /* the kernel takes its smallest */

        assert_int_equal(setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, option, &size, sizeof(size)), 0);
}

/* Each of its messages wants an answer: more than the smallest buffer takes. The last one can be made wrong.
 */
static struct batch *talkative_batch(bool wrong)
{
        struct batch *batch;

        assert_int_equal(batch_new(&batch), 0);
        for (unsigned i = 0; i < CHAINS; i++) {
                struct nlmsghdr *message =
                        batch_message(batch, NFT_MSG_NEWCHAIN, NFPROTO_INET, NLM_F_CREATE | NLM_F_ACK);
                char name[32];

                assert_non_null(message);
                (void)snprintf(name, sizeof(name), "talk_%u", i);
                mnl_attr_put_strz(message, NFTA_CHAIN_TABLE,
                                  wrong && i == CHAINS - 1 ? "no such table" : TABLE_NAME);
                mnl_attr_put_strz(message, NFTA_CHAIN_NAME, name);
                batch_end_message(batch);
        }
        return batch;
}

static struct netlink *deaf_netlink(void)
{
        struct netlink *netlink;

        assert_int_equal(netlink_new(&netlink), 0);
        shrink(netlink->socket, SO_RCVBUF);
        lab_node("nft add table inet " TABLE_NAME);
        return netlink;
}

static void a_transaction_whose_answers_were_lost_has_happened(void **state)
{
        _cleanup_(netlink_freep) struct netlink *netlink = deaf_netlink();
        _cleanup_(batch_freep) struct batch *batch = talkative_batch(false), *again = talkative_batch(false);
        bool acknowledged, lost;
        uint32_t generation = 0;

        assert_int_equal(netlink_generation(netlink, &generation), 0);
        assert_int_equal(seal(netlink, batch, generation), 0);
        (void)send_batch(netlink, batch);
        assert_int_equal(read_answers(netlink, &acknowledged, &lost), 0);
        assert_true(lost);
        assert_int_equal(netlink_generation(netlink, &generation), 0);
        assert_int_equal(netlink_commit(netlink, again, generation), 0);
        lab_node("nft list chain inet " TABLE_NAME " talk_199 >/dev/null");
        assert_int_equal(ruleset_remove(netlink), 0);
}

static void one_whose_refusal_was_lost_has_not(void **state)
{
        _cleanup_(netlink_freep) struct netlink *netlink = deaf_netlink();
        _cleanup_(batch_freep) struct batch *batch = talkative_batch(true);
        uint32_t generation = 0;
        int r;

        assert_int_equal(netlink_generation(netlink, &generation), 0);
        r = netlink_commit(netlink, batch, generation);
        if (r != -EAGAIN && r != -ENOENT) /* the refusal came first, or was lost */
                fail_msg("%s", strerror(-r));
        lab_node("! nft list chain inet " TABLE_NAME " talk_0 2>/dev/null");
        assert_int_equal(ruleset_remove(netlink), 0);
}

static void one_bound_to_no_generation_is_made_again_when_its_answers_were_lost(void **state)
{
        _cleanup_(netlink_freep) struct netlink *netlink = deaf_netlink(), *hearing = NULL;
        _cleanup_(batch_freep) struct batch *batch = talkative_batch(false), *again = talkative_batch(false);

        assert_int_equal(netlink_commit(netlink, batch, ANY_GENERATION), -EAGAIN);
        lab_node("nft list chain inet " TABLE_NAME " talk_199 >/dev/null");
        assert_int_equal(netlink_new(&hearing), 0);
        assert_int_equal(netlink_commit(hearing, again, ANY_GENERATION), 0);
        assert_int_equal(ruleset_remove(netlink), 0);
}

static void a_dump_is_read_whole_in_small_pieces(void **state)
{
        _cleanup_(netlink_freep) struct netlink *netlink = deaf_netlink(), *other = NULL;
        _cleanup_(batch_freep) struct batch *batch = talkative_batch(false);
        _cleanup_table_ small = {}, large = {};
        uint32_t generation = 0;

        assert_int_equal(netlink_new(&other), 0);
        assert_int_equal(netlink_generation(other, &generation), 0);
        assert_int_equal(netlink_commit(other, batch, generation), 0);
        assert_int_equal(table_read(netlink, &small), 0);
        assert_int_equal(table_read(other, &large), 0);
        assert_int_equal(small.chains.count, CHAINS);
        assert_string_equal(small.fingerprint, large.fingerprint);
        assert_int_equal(ruleset_remove(netlink), 0);
}

struct counted {
        unsigned messages, restarts;
};

/* After the first piece of a dump, somebody changes something. */
static int count_and_change(const struct nlmsghdr *message, void *userdata)
{
        struct counted *counted = userdata;

        if (counted->messages++ == 0 && counted->restarts == 0)
                lab_node("nft add chain inet " TABLE_NAME " late");
        return 0;
}

static void count_anew(void *userdata)
{
        struct counted *counted = userdata;

        counted->messages = 0;
        counted->restarts++;
}

static void a_dump_that_a_writer_interrupts_is_read_again_from_its_start(void **state)
{
        _cleanup_(netlink_freep) struct netlink *netlink = deaf_netlink(), *other = NULL;
        _cleanup_(batch_freep) struct batch *batch = talkative_batch(false);
        struct counted counted = {};

        assert_int_equal(netlink_new(&other), 0);
        assert_int_equal(netlink_commit(other, batch, ANY_GENERATION), 0);
        assert_int_equal(netlink_dump(netlink, &(struct netlink_dump){ .type = NFT_MSG_GETCHAIN,
                                                                       .family = NFPROTO_INET,
                                                                       .on_message = count_and_change,
                                                                       .restart = count_anew,
                                                                       .userdata = &counted }),
                         0);
        assert_int_equal(counted.restarts, 1);
        assert_int_equal(counted.messages, CHAINS + 1);
        assert_int_equal(ruleset_remove(netlink), 0);
}

static void go_on(void)
{
        lab_node("nft 'add table ip lab; delete table ip lab'");
}

static void beside_others_who_never_rest_the_table_is_read_as_it_is(void **state)
{
        _cleanup_(netlink_freep) struct netlink *netlink = NULL;
        _cleanup_(batch_freep) struct batch *batch = talkative_batch(false);
        _cleanup_table_ calm = {}, beside = {};

        assert_int_equal(netlink_new(&netlink), 0);
        lab_node("nft add table inet " TABLE_NAME);
        assert_int_equal(netlink_commit(netlink, batch, ANY_GENERATION), 0);
        assert_int_equal(table_read(netlink, &calm), 0);
        meddle = go_on;
        assert_int_equal(table_read(netlink, &beside), 0);
        meddle = NULL;
        assert_true(beside.generation > calm.generation);
        assert_string_equal(beside.fingerprint, calm.fingerprint);
        assert_int_equal(beside.chains.count, calm.chains.count);
        assert_int_equal(ruleset_remove(netlink), 0);
}

static unsigned questions, struck; /* which of them the change comes before */

static void change_once(void)
{
        if (++questions != struck)
                go_on();
        else
                lab_node("nft 'add set inet " TABLE_NAME
                         " many { type ipv4_addr; }; add rule inet " TABLE_NAME
                         " talk ip saddr @many accept'");
}

/* The rule and its set come in one transaction: a table that has one of them never was. */
static void a_change_between_two_questions_is_read_whole_or_not_at_all(void **state)
{
        _cleanup_(netlink_freep) struct netlink *netlink = NULL;

        assert_int_equal(netlink_new(&netlink), 0);
        for (struck = 1; struck <= 9; struck++) {
                _cleanup_table_ table = {};

                lab_node("nft 'add table inet " TABLE_NAME "; add chain inet " TABLE_NAME " talk'");
                questions = 0;
                meddle = change_once;
                assert_int_equal(table_read(netlink, &table), 0);
                meddle = NULL;
                assert_true(questions >= struck);
                if (table.rules != table.sets.count)
                        fail_msg("before question %u: %zu rules, %zu sets", struck, table.rules,
                                 table.sets.count);
                assert_int_equal(ruleset_remove(netlink), 0);
        }
}

static struct filter_list *make_list(unsigned n)
{
        struct filter_list *list;

        assert_int_equal(filter_list_new(&list), 0);
        assert_int_equal(filter_list_add_port(list, API_PORT), 0);
        for (unsigned i = 0; i < n; i++)
                assert_int_equal(filter_list_add(list, CLASS_ALLOW,
                                                 &(struct cidr){ IP_V4, 0x0B000000 + i * 512,
                                                                 0x0B000000 + i * 512 }),
                                 0);
        filter_list_finish(list);
        return list;
}

static void a_list_that_cannot_be_sent_leaves_the_one_before_in_force(void **state)
{
        const int enough = SEND_BUFFER;
        char *root = root_make();
        _cleanup_(filter_list_unrefp) struct filter_list *before = make_list(3), *after = make_list(5000);
        _cleanup_(filter_freep) struct filter *filter = NULL;
        struct failure failure = {};

        assert_int_equal(filter_open(root, &filter, NULL), 0);
        before->audit = true;
        filter_list_finish(before);
        assert_int_equal(filter_want(filter, before, NULL), 0);
        assert_int_equal(filter_phase(filter), FILTER_CONFIRMED);
        shrink(filter->netlink->socket, SO_SNDBUF);
        (void)filter_want(filter, after, NULL);
        assert_int_equal(filter_try(filter, USEC_PER_HOUR, true, &failure), -EMSGSIZE);
        assert_string_equal(failure.reason, "NetfilterRefused");
        failure_clear(&failure);
        lab_node("nft list chain inet " TABLE_NAME " input | grep -q 'confirmed list'");
        assert_int_equal(setsockopt(mnl_socket_get_fd(filter->netlink->socket), SOL_SOCKET, SO_SNDBUFFORCE,
                                    &enough, sizeof(enough)),
                         0);
        assert_int_equal(filter_try(filter, USEC_PER_HOUR, true, NULL), 0);
        assert_int_equal(filter_phase(filter), FILTER_TRIAL);
        assert_int_equal(ruleset_remove(filter->netlink), 0);
        root_remove(root);
}

static bool has_set_of(const struct table *table, uint32_t generation)
{
        char end[32];

        (void)snprintf(end, sizeof(end), "_%u_1", generation);
        for (size_t i = 0; i < table->sets.count; i++)
                if (strstr(table->sets.items[i].name, end))
                        return true;
        return false;
}

static void beside_others_who_never_rest_a_change_leaves_nothing_behind(void **state)
{
        char *root = root_make();
        _cleanup_(filter_list_unrefp) struct filter_list *before = make_list(3), *after = make_list(2);
        _cleanup_(filter_freep) struct filter *filter = NULL;
        _cleanup_table_ table = {};
        uint32_t generation;

        assert_int_equal(filter_open(root, &filter, NULL), 0);
        meddle = go_on;
        (void)filter_want(filter, before, NULL);
        assert_int_equal(filter_try(filter, USEC_PER_HOUR, true, NULL), 0);
        assert_int_equal(filter_confirm(filter, NULL), 0);
        generation = filter->current->shards[CLASS_ALLOW][IP_V4].items[0].generation;
        assert_true(has_set_of(&filter->table, generation));
        assert_int_equal(filter_want(filter, after, NULL), 0);
        assert_int_equal(filter_try(filter, USEC_PER_HOUR, true, NULL), 0);
        assert_int_equal(filter_confirm(filter, NULL), 0);
        meddle = NULL;
        assert_int_equal(table_read(filter->netlink, &table), 0);
        assert_string_equal(table.fingerprint, filter->table.fingerprint);
        assert_false(has_set_of(&table, generation));
        assert_int_equal(ruleset_remove(filter->netlink), 0);
        root_remove(root);
}

struct heard {
        unsigned times;
        bool unknown;
};

static void note(const char *writer, const struct touched_sets *touched, void *userdata)
{
        struct heard *heard = userdata;

        heard->times++;
        heard->unknown = heard->unknown || (strcmp(writer, "unknown") == 0 && touched->all);
}

static void lost_notifications_are_taken_for_a_change_of_everything(void **state)
{
        const uint64_t deadline = now_boottime_usec() + test_patience() * DEADLINE_SECONDS * USEC_PER_SEC;
        _cleanup_(monitor_freep) struct monitor *monitor = NULL;
        struct heard heard = {};
        sd_event *event;

        assert_int_equal(sd_event_new(&event), 0);
        assert_int_equal(monitor_new(event, note, &heard, &monitor), 0);
        shrink(monitor->socket, SO_RCVBUF);
        lab_node("{ echo 'add table inet " TABLE_NAME "'; seq -f 'add chain inet " TABLE_NAME
                 " c%g' 1 500; } | nft -f -");
        while (!heard.unknown && now_boottime_usec() < deadline)
                assert_true(sd_event_run(event, 100 * USEC_PER_MSEC) >= 0);
        assert_true(heard.unknown);
        monitor = monitor_free(monitor);
        sd_event_unref(event);
        lab_node("nft delete table inet " TABLE_NAME);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_transaction_whose_answers_were_lost_has_happened),
                cmocka_unit_test(one_whose_refusal_was_lost_has_not),
                cmocka_unit_test(one_bound_to_no_generation_is_made_again_when_its_answers_were_lost),
                cmocka_unit_test(a_dump_is_read_whole_in_small_pieces),
                cmocka_unit_test(a_dump_that_a_writer_interrupts_is_read_again_from_its_start),
                cmocka_unit_test(beside_others_who_never_rest_the_table_is_read_as_it_is),
                cmocka_unit_test(a_change_between_two_questions_is_read_whole_or_not_at_all),
                cmocka_unit_test(beside_others_who_never_rest_a_change_leaves_nothing_behind),
                cmocka_unit_test(a_list_that_cannot_be_sent_leaves_the_one_before_in_force),
                cmocka_unit_test(lost_notifications_are_taken_for_a_change_of_everything),
        };

        return cmocka_run_group_tests(tests, lab_open, lab_close);
}
