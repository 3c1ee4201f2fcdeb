/* SPDX-License-Identifier: Apache-2.0 */

#include "etcd.h"

#include <stdio.h>
#include <string.h>

#include "fault-point.h"
#include "files.h"
#include "protobuf.h"
#include "quantity.h"
#include "snapshot-stream.h"

/* For an answer of an etcd that is busy: a handshake on a full machine takes longer than any default. */
#define ANSWER_USEC (30 * USEC_PER_SEC)
/* etcd itself gives up after 7 s when too few members answer. */
#define QUORUM_USEC (10 * USEC_PER_SEC)
/* A stalled reader keeps etcd's read transaction open, so that its file grows and a defragmentation hangs
 * with all its lockers behind it (measured: 48 s instead of 6); only closing the connection ends that. */
#define STALL_SECONDS 30

/* rpc.proto: ResponseHeader, StatusResponse */
enum { HEADER_CLUSTER_ID = 1, HEADER_MEMBER_ID = 2, HEADER_REVISION = 3 };
enum {
        STATUS_HEADER = 1,
        STATUS_VERSION = 2,
        STATUS_DB_SIZE = 3,
        STATUS_LEADER = 4,
        STATUS_RAFT_INDEX = 5,
        STATUS_ERRORS = 8,
        STATUS_IS_LEARNER = 10,
};

/* rpc.proto: MemberListRequest.linearizable is false when absent (3.4 has no other), as here. */
enum { MEMBERS_HEADER = 1, MEMBERS_MEMBER = 2 };
enum { MEMBER_ID = 1, MEMBER_NAME = 2, MEMBER_IS_LEARNER = 5 };
/* AlarmResponse, AlarmMember */
enum { ALARM_RESPONSE_ALARMS = 2 };
enum { ALARM_MEMBER_ID = 1, ALARM_TYPE = 2 };
#define ALARM_CORRUPT 2

struct etcd_client {
        struct http_client *http;
        const struct etcd_access *access;
        char *ca_file, *cert_file, *key_file; /* NULL for an http:// endpoint */

        struct etcd_status status;
        bool status_seen;
        etcd_status_fn status_done;
        void *status_userdata;

        struct member_list members;
        etcd_members_fn members_done;
        void *members_userdata;
        uint64_t corrupt_member;
        bool corrupt;
        etcd_corrupt_fn corrupt_done;
        void *corrupt_userdata;

        etcd_message_fn on_message;
        etcd_snapshot_fn snapshot_done;
        void *snapshot_userdata;
};

struct etcd_client *etcd_client_free(struct etcd_client *client)
{
        if (!client)
                return NULL;
        http_client_free(client->http);
        member_list_clear(&client->members);
        free(client->ca_file);
        free(client->cert_file);
        free(client->key_file);
        free(client);
        return NULL;
}

static int take_file(const char *root, const char *path, char **ret, struct failure *failure)
{
        *ret = path_under(root, path);
        if (!*ret)
                return -ENOMEM;
        if (access(*ret, R_OK) < 0) {
                int r = -errno;

                return failure_set(
                        failure, r, "CertificateMissing",
                        "cannot read %s: %s; kubeadm makes it with `kubeadm init phase certs "
                        "etcd-healthcheck-client`, or name others in etcd.caFile, certFile and keyFile",
                        *ret, strerror(-r));
        }
        return 0;
}

static int take_files(struct etcd_client *client, const char *root, struct failure *failure)
{
        int r;

        r = take_file(root, client->access->ca_file, &client->ca_file, failure);
        if (r < 0)
                return r;
        r = take_file(root, client->access->cert_file, &client->cert_file, failure);
        if (r < 0)
                return r;
        return take_file(root, client->access->key_file, &client->key_file, failure);
}

int etcd_client_new(sd_event *event, const char *root, const struct etcd_access *access,
                    struct etcd_client **ret, struct failure *failure)
{
        _cleanup_(etcd_client_freep) struct etcd_client *client = NULL;
        int r;

        client = calloc(1, sizeof(*client));
        if (!client)
                return -ENOMEM;
        client->access = access;
        if (strncmp(access->endpoint, "http:", 5) != 0) {
                r = take_files(client, root, failure);
                if (r < 0)
                        return r;
        }
        r = http_client_new(event, &client->http);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(client);
        return 0;
}

/* The transport's words become cause and remedy for a person in front of a kubeadm node. */
static void explain(const struct etcd_client *client, int error, const struct failure *found,
                    struct failure *ret)
{
        const char *words = found->message ?: strerror(-error);

        switch (error) {
        case -ECONNREFUSED:
        case -EHOSTUNREACH:
                failure_set(ret, error, "EtcdUnreachable",
                            "no etcd answers: %s; see whether its static pod runs: crictl ps -a --name etcd",
                            words);
                break;
        case -EKEYREJECTED:
                failure_set(ret, error, "CertificateRefused",
                            "%s; with the client certificate %s and the authority %s; see kubeadm certs "
                            "check-expiration, and etcd's --trusted-ca-file",
                            words, client->cert_file ?: "(none)", client->ca_file ?: "(none)");
                break;
        case -ETIMEDOUT:
                failure_set(ret, error, "EtcdStalled",
                            "etcd does not go on: %s; see its log: crictl logs $(crictl "
                            "ps -q --name etcd)",
                            words);
                break;
        case -ECONNRESET:
                failure_set(ret, error, "StreamBroken",
                            "etcd broke off: %s; nothing was kept, the next run tries again", words);
                break;
        default:
                failure_set(ret, error, found->reason ?: "EtcdRefused", "%s", words);
                break;
        }
}

static int parse_header(const struct protobuf_field *header, struct etcd_status *status)
{
        struct protobuf_reader reader = { header->bytes, header->bytes + header->size };
        struct protobuf_field field;
        int r;

        while ((r = protobuf_next(&reader, &field)) > 0) {
                if (field.wire != PROTOBUF_VARINT)
                        continue;
                if (field.number == HEADER_CLUSTER_ID)
                        status->cluster_id = field.value;
                else if (field.number == HEADER_MEMBER_ID)
                        status->member_id = field.value;
                else if (field.number == HEADER_REVISION)
                        status->revision = (int64_t)field.value;
        }

        return r;
}

/* Among others "memberID:1234 alarm:CORRUPT " (etcd: AlarmMember.String()). The number is a member's, 0
 * stands for any. */
static int take_error(const struct protobuf_field *field, struct etcd_status *status)
{
        _cleanup_free_ char *text = strndup((const char *)field->bytes, field->size);
        const char *member;
        uint64_t id;

        if (!text)
                return -ENOMEM;
        if (!strstr(text, "alarm:CORRUPT"))
                return 0;
        member = strstr(text, "memberID:");
        id = member ? strtoull(member + strlen("memberID:"), NULL, 10) : 0;
        status->is_corrupt |= id == 0 || id == status->member_id; /* the header with it comes first */
        return 0;
}

static int parse_field(const struct protobuf_field *field, struct etcd_status *status)
{
        if (field->wire == PROTOBUF_BYTES && field->number == STATUS_HEADER)
                return parse_header(field, status);
        if (field->wire == PROTOBUF_BYTES && field->number == STATUS_VERSION)
                snprintf(status->version, sizeof(status->version), "%.*s",
                         (int)(field->size < sizeof(status->version) ? field->size : sizeof(status->version)),
                         (const char *)field->bytes);
        else if (field->wire == PROTOBUF_VARINT && field->number == STATUS_DB_SIZE)
                status->db_size = field->value;
        else if (field->wire == PROTOBUF_VARINT && field->number == STATUS_RAFT_INDEX)
                status->raft_index = field->value;
        else if (field->wire == PROTOBUF_VARINT && field->number == STATUS_LEADER)
                status->has_leader = field->value != 0;
        else if (field->wire == PROTOBUF_VARINT && field->number == STATUS_IS_LEARNER)
                status->is_learner = field->value != 0;
        else if (field->wire == PROTOBUF_BYTES && field->number == STATUS_ERRORS)
                return take_error(field, status);
        return 0;
}

int etcd_status_parse(const uint8_t *message, size_t size, struct etcd_status *ret)
{
        struct protobuf_reader reader = { message, message + size };
        struct etcd_status status = {};
        struct protobuf_field field;
        int r;

        while ((r = protobuf_next(&reader, &field)) > 0) {
                r = parse_field(&field, &status);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;

        *ret = status;
        return 0;
}

static int on_status_message(struct grpc_call *call, const uint8_t *message, size_t size, void *userdata)
{
        struct etcd_client *client = userdata;

        (void)call;
        client->status_seen = true;
        return etcd_status_parse(message, size, &client->status);
}

static void on_status_done(struct grpc_call *call, int error, const struct failure *found, void *userdata)
{
        _cleanup_failure_ failure = {};
        struct etcd_client *client = userdata;

        (void)call;
        if (error >= 0 && !client->status_seen)
                error = -ECONNRESET;
        if (error < 0)
                explain(client, error, found, &failure);
        client->status_done(error < 0 ? NULL : &client->status, error, &failure, client->status_userdata);
}

int etcd_status_start(struct etcd_client *client, etcd_status_fn done, void *userdata)
{
        client->status_seen = false;
        client->status_done = done;
        client->status_userdata = userdata;
        return grpc_start(client->http,
                          &(struct grpc_request){
                                  .base_url = client->access->endpoint,
                                  .method = "/etcdserverpb.Maintenance/Status",
                                  .ca_file = client->ca_file,
                                  .cert_file = client->cert_file,
                                  .key_file = client->key_file,
                                  .connect_timeout_usec = ANSWER_USEC,
                                  .timeout_usec = ANSWER_USEC,
                                  .on_message = on_status_message,
                                  .userdata = client,
                          },
                          on_status_done, NULL);
}

static int take_alarm(struct etcd_client *client, const struct protobuf_field *alarm)
{
        struct protobuf_reader reader = { alarm->bytes, alarm->bytes + alarm->size };
        uint64_t member = 0, type = 0;
        struct protobuf_field field;
        int r;

        while ((r = protobuf_next(&reader, &field)) > 0) {
                if (field.wire == PROTOBUF_VARINT && field.number == ALARM_MEMBER_ID)
                        member = field.value;
                else if (field.wire == PROTOBUF_VARINT && field.number == ALARM_TYPE)
                        type = field.value;
        }
        client->corrupt |= type == ALARM_CORRUPT && (member == 0 || member == client->corrupt_member);
        return r;
}

static int on_alarm_message(struct grpc_call *call, const uint8_t *message, size_t size, void *userdata)
{
        struct protobuf_reader reader = { message, message + size };
        struct etcd_client *client = userdata;
        struct protobuf_field field;
        int r;

        (void)call;
        while ((r = protobuf_next(&reader, &field)) > 0) {
                if (field.wire != PROTOBUF_BYTES || field.number != ALARM_RESPONSE_ALARMS)
                        continue;
                r = take_alarm(client, &field);
                if (r < 0)
                        return r;
        }
        return r;
}

static void on_alarm_done(struct grpc_call *call, int error, const struct failure *found, void *userdata)
{
        _cleanup_failure_ failure = {};
        struct etcd_client *client = userdata;

        (void)call;
        if (error < 0)
                explain(client, error, found, &failure);
        client->corrupt_done(client->corrupt, error, &failure, client->corrupt_userdata);
}

/* An empty AlarmRequest is GET, of every member and kind. */
int etcd_corrupt_start(struct etcd_client *client, uint64_t member_id, etcd_corrupt_fn done, void *userdata)
{
        client->corrupt = false;
        client->corrupt_member = member_id;
        client->corrupt_done = done;
        client->corrupt_userdata = userdata;
        return grpc_start(client->http,
                          &(struct grpc_request){
                                  .base_url = client->access->endpoint,
                                  .method = "/etcdserverpb.Maintenance/Alarm",
                                  .ca_file = client->ca_file,
                                  .cert_file = client->cert_file,
                                  .key_file = client->key_file,
                                  .connect_timeout_usec = ANSWER_USEC,
                                  .timeout_usec = QUORUM_USEC,
                                  .on_message = on_alarm_message,
                                  .userdata = client,
                          },
                          on_alarm_done, NULL);
}

static int on_snapshot_message(struct grpc_call *call, const uint8_t *message, size_t size, void *userdata)
{
        struct etcd_client *client = userdata;

        (void)call;
        return client->on_message(message, size, client->snapshot_userdata);
}

static void on_snapshot_done(struct grpc_call *call, int error, const struct failure *found, void *userdata)
{
        _cleanup_failure_ failure = {};
        struct etcd_client *client = userdata;

        if (error < 0)
                explain(client, error, found, &failure);
        client->snapshot_done(error, grpc_status_seen(call), &failure, client->snapshot_userdata);
}

int etcd_snapshot_start(struct etcd_client *client, etcd_message_fn on_message, etcd_snapshot_fn done,
                        void *userdata)
{
        client->on_message = on_message;
        client->snapshot_done = done;
        client->snapshot_userdata = userdata;
        return grpc_start(client->http,
                          &(struct grpc_request){
                                  .base_url = client->access->endpoint,
                                  .method = "/etcdserverpb.Maintenance/Snapshot",
                                  .ca_file = client->ca_file,
                                  .cert_file = client->cert_file,
                                  .key_file = client->key_file,
                                  .connect_timeout_usec = ANSWER_USEC,
                                  .stall_usec = stall_seconds(STALL_SECONDS) * USEC_PER_SEC,
                                  .message_max = SNAPSHOT_MESSAGE_MAX,
                                  .on_message = on_snapshot_message,
                                  .userdata = client,
                          },
                          on_snapshot_done, NULL);
}

static int parse_member(const struct protobuf_field *message, struct member_list *list)
{
        struct protobuf_reader reader = { message->bytes, message->bytes + message->size };
        const uint8_t *name = (const uint8_t *)"";
        struct protobuf_field field;
        bool is_learner = false;
        size_t name_size = 0;
        uint64_t id = 0;
        int r;

        while ((r = protobuf_next(&reader, &field)) > 0) {
                if (field.wire == PROTOBUF_VARINT && field.number == MEMBER_ID) {
                        id = field.value;
                } else if (field.wire == PROTOBUF_VARINT && field.number == MEMBER_IS_LEARNER) {
                        is_learner = field.value != 0;
                } else if (field.wire == PROTOBUF_BYTES && field.number == MEMBER_NAME) {
                        name = field.bytes;
                        name_size = field.size;
                }
        }
        return r < 0 ? r : member_list_add(list, id, (const char *)name, name_size, is_learner);
}

int etcd_members_parse(const uint8_t *message, size_t size, struct member_list *ret)
{
        struct protobuf_reader reader = { message, message + size };
        _cleanup_member_list_ list = {};
        struct etcd_status header = {};
        struct protobuf_field field;
        int r;

        while ((r = protobuf_next(&reader, &field)) > 0) {
                r = 0;
                if (field.wire == PROTOBUF_BYTES && field.number == MEMBERS_HEADER)
                        r = parse_header(&field, &header);
                else if (field.wire == PROTOBUF_BYTES && field.number == MEMBERS_MEMBER)
                        r = parse_member(&field, &list);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;

        list.cluster_id = header.cluster_id;
        *ret = list;
        list = (struct member_list){};
        return 0;
}

static int on_members_message(struct grpc_call *call, const uint8_t *message, size_t size, void *userdata)
{
        struct etcd_client *client = userdata;

        (void)call;
        member_list_clear(&client->members);
        return etcd_members_parse(message, size, &client->members);
}

static void on_members_done(struct grpc_call *call, int error, const struct failure *found, void *userdata)
{
        _cleanup_failure_ failure = {};
        struct etcd_client *client = userdata;

        (void)call;
        if (error >= 0 && client->members.count == 0)
                error = -ECONNRESET;
        if (error < 0)
                explain(client, error, found, &failure);
        client->members_done(error < 0 ? NULL : &client->members, error, &failure, client->members_userdata);
}

int etcd_members_start(struct etcd_client *client, etcd_members_fn done, void *userdata)
{
        member_list_clear(&client->members);
        client->members_done = done;
        client->members_userdata = userdata;
        return grpc_start(client->http,
                          &(struct grpc_request){
                                  .base_url = client->access->endpoint,
                                  .method = "/etcdserverpb.Cluster/MemberList",
                                  .ca_file = client->ca_file,
                                  .cert_file = client->cert_file,
                                  .key_file = client->key_file,
                                  .connect_timeout_usec = ANSWER_USEC,
                                  .timeout_usec = ANSWER_USEC,
                                  .on_message = on_members_message,
                                  .userdata = client,
                          },
                          on_members_done, NULL);
}
