/* SPDX-License-Identifier: Apache-2.0 */

#include "swift.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "etcd.h"
#include "files.h"
#include "pki.h"
#include "program.h"
#include "s3.h"

static bool listens(void *userdata)
{
        const struct swift *swift = userdata;
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                       .sin_port = htons((uint16_t)swift->tls_port) };
        _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        return connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
}

static void make_files(const char *root)
{
        struct identity ca = identity_make(NULL, "s3-ca", NULL, true, 10),
                        other = identity_make(NULL, "other-ca", NULL, true, 10),
                        server = identity_make(&ca, "s3", NULL, false, 10);
        _cleanup_free_ char *directory = path_under(root, "/etc/s3");

        assert_int_equal(directory_make(directory, 0700), 0);
        identity_save(&ca, root, "etc/s3/ca");
        identity_save(&other, root, "etc/s3/other-ca");
        identity_save(&server, root, "etc/s3/server");
        identity_clear(&ca);
        identity_clear(&other);
        identity_clear(&server);
        root_write(root, &SWIFT_CREDENTIALS[1],
                   "# of Swift's tempauth\n[default]\naws_access_key_id = " SWIFT_KEY
                   "\naws_secret_access_key = " SWIFT_SECRET "\n",
                   0600);
}

static void make_bucket(const struct swift *swift, const char *root)
{
        const struct s3_access access = { .endpoint = (char *)swift->endpoint,
                                          .region = (char *)"us-east-1",
                                          .bucket = (char *)SWIFT_BUCKET,
                                          .ca_file = (char *)SWIFT_CA,
                                          .credentials_file = (char *)SWIFT_CREDENTIALS };
        _cleanup_(s3_closep) struct s3 *s3 = NULL;
        _cleanup_s3_answer_ answer = {};
        _cleanup_failure_ failure = {};

        assert_int_equal(s3_open(&access, root, NULL, &s3, &failure), 0);
        if (s3_exchange(s3, &(struct s3_request){ .method = "PUT" }, &answer, &failure) < 0)
                fail_msg("cannot make the bucket: %s", failure.message);
}

void swift_start(struct swift *swift, const char *root)
{
        _cleanup_free_ char *data = NULL, *certificate = path_under(root, "/etc/s3/server.crt"),
                            *key = path_under(root, "/etc/s3/server.key");
        char port[16], tls_port[16];

        swift->port = free_port();
        do {
                swift->tls_port = free_port();
        } while (swift->tls_port == swift->port);
        (void)snprintf(swift->endpoint, sizeof(swift->endpoint), "https://127.0.0.1:%u", swift->tls_port);
        (void)snprintf(swift->plain_endpoint, sizeof(swift->plain_endpoint), "http://127.0.0.1:%u",
                       swift->port);
        (void)snprintf(port, sizeof(port), "%u", swift->port);
        (void)snprintf(tls_port, sizeof(tls_port), "%u", swift->tls_port);
        data = path_under(root, "/swift");
        assert_int_equal(directory_make(data, 0700), 0);
        make_files(root);
        swift->pid = program_start("/usr/bin/python3",
                                   (const char *[]){ SWIFT_PROGRAM, data, port, tls_port, SWIFT_KEY,
                                                     SWIFT_SECRET, certificate, key, NULL });
        wait_until(listens, swift, "Swift"); /* it reads half of Python first */
        make_bucket(swift, root);
}

void swift_stop(struct swift *swift)
{
        if (swift->pid > 0)
                (void)program_stop(swift->pid, SIGKILL); /* it keeps what it was given on disk */
        swift->pid = 0;
}
