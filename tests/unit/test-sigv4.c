/* SPDX-License-Identifier: Apache-2.0 */

/* The examples that AWS publishes: those of S3's "Signature Calculations for the Authorization Header:
 * Transferring Payload in a Single Chunk", and two of the aws4_testsuite. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "sigv4.h"

#define S3_HOST                                          \
        {                                                \
                "host", "examplebucket.s3.amazonaws.com" \
        }
#define S3_DATE                                  \
        {                                        \
                "x-amz-date", "20130524T000000Z" \
        }
#define S3_HASH                                             \
        {                                                   \
                "x-amz-content-sha256", SIGV4_EMPTY_PAYLOAD \
        }

static struct sigv4_request s3_request(const char *method, const char *path, const struct sigv4_field *query,
                                       const struct sigv4_field *headers)
{
        return (struct sigv4_request){ .method = method,
                                       .path = path,
                                       .query = query,
                                       .headers = headers,
                                       .payload_sha256 = SIGV4_EMPTY_PAYLOAD,
                                       .time = "20130524T000000Z",
                                       .region = "us-east-1",
                                       .service = "s3",
                                       .access_key = "AKIAIOSFODNN7EXAMPLE",
                                       .secret_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY" };
}

static void assert_signature(const struct sigv4_request *request, const char *signature)
{
        _cleanup_free_ char *authorization = NULL;

        assert_int_equal(sigv4_authorize(request, &authorization), 0);
        assert_string_equal(strstr(authorization, "Signature=") + 10, signature);
}

static void get_object_is_signed_as_in_the_example(void **state)
{
        static const struct sigv4_field headers[] = {
                S3_HOST, { "range", "bytes=0-9" }, S3_HASH, S3_DATE, {}
        };
        struct sigv4_request request = s3_request("GET", "/test.txt", NULL, headers);
        _cleanup_free_ char *authorization = NULL, *canonical = sigv4_canonical_request(&request);

        assert_string_equal(canonical, "GET\n/test.txt\n\n"
                                       "host:examplebucket.s3.amazonaws.com\n"
                                       "range:bytes=0-9\n"
                                       "x-amz-content-sha256:" SIGV4_EMPTY_PAYLOAD "\n"
                                       "x-amz-date:20130524T000000Z\n\n"
                                       "host;range;x-amz-content-sha256;x-amz-date\n" SIGV4_EMPTY_PAYLOAD);
        assert_int_equal(sigv4_authorize(&request, &authorization), 0);
        assert_string_equal(authorization,
                            "AWS4-HMAC-SHA256 "
                            "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
                            "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
                            "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

static void put_object_is_signed_as_in_the_example(void **state)
{
        static const char hash[] = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
        const struct sigv4_field headers[] = { { "date", "Fri, 24 May 2013 00:00:00 GMT" },
                                               S3_HOST,
                                               { "x-amz-content-sha256", hash },
                                               S3_DATE,
                                               { "x-amz-storage-class", "REDUCED_REDUNDANCY" },
                                               {} };
        _cleanup_free_ char *path = sigv4_encode("/test$file.text", false);
        struct sigv4_request request = s3_request("PUT", path, NULL, headers);

        request.payload_sha256 = hash;
        assert_signature(&request, "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

static void a_parameter_without_value_is_signed_as_in_the_example(void **state)
{
        static const struct sigv4_field headers[] = { S3_HOST, S3_HASH, S3_DATE, {} },
                                        query[] = { { "lifecycle", "" }, {} };
        struct sigv4_request request = s3_request("GET", "/", query, headers);

        assert_signature(&request, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
}

static void listing_is_signed_as_in_the_example(void **state)
{
        static const struct sigv4_field headers[] = { S3_HOST, S3_HASH, S3_DATE, {} },
                                        query[] = { { "max-keys", "2" }, { "prefix", "J" }, {} };
        struct sigv4_request request = s3_request("GET", "/", query, headers);

        assert_signature(&request, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

/* post-sts-header-before: the session token is among the signed headers. */
static void a_session_token_is_signed_as_in_the_test_suite(void **state)
{
        static const struct sigv4_field headers[] = {
                { "host", "example.amazonaws.com" },
                { "x-amz-date", "20150830T123600Z" },
                { "x-amz-security-token",
                  "AQoDYXdzEPT//////////"
                  "wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPf"
                  "IeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/"
                  "kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7W"
                  "Z0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+"
                  "scqKmlzm8F"
                  "DrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==" },
                {}
        };
        const struct sigv4_request request = { .method = "POST",
                                               .path = "/",
                                               .headers = headers,
                                               .payload_sha256 = SIGV4_EMPTY_PAYLOAD,
                                               .time = "20150830T123600Z",
                                               .region = "us-east-1",
                                               .service = "service",
                                               .access_key = "AKIDEXAMPLE",
                                               .secret_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" };

        assert_signature(&request, "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead");
}

static void a_plain_request_is_signed_as_in_the_test_suite(void **state)
{
        static const struct sigv4_field headers[] = { { "host", "example.amazonaws.com" },
                                                      { "x-amz-date", "20150830T123600Z" },
                                                      {} };
        const struct sigv4_request request = { .method = "GET",
                                               .path = "/",
                                               .headers = headers,
                                               .payload_sha256 = SIGV4_EMPTY_PAYLOAD,
                                               .time = "20150830T123600Z",
                                               .region = "us-east-1",
                                               .service = "service",
                                               .access_key = "AKIDEXAMPLE",
                                               .secret_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" };

        assert_signature(&request, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
}

/* AWS publishes no signature of it; the form of the canonical request is that of the examples above. */
static void the_requests_of_a_multipart_upload_have_their_canonical_form(void **state)
{
        static const struct sigv4_field headers[] = { S3_HOST, S3_HASH, S3_DATE, {} },
                                        create[] = { { "uploads", "" }, {} },
                                        part[] = { { "partNumber", "1" }, { "uploadId", "VXBs b2Fk/=" }, {} };
        struct sigv4_request request = s3_request("POST", "/prod-1/etcd-a.tar.zst", create, headers);
        _cleanup_free_ char *created = sigv4_canonical_request(&request), *parted = NULL;

        assert_ptr_equal(strstr(created, "POST\n/prod-1/etcd-a.tar.zst\nuploads=\nhost:"), created);
        request = s3_request("PUT", "/prod-1/etcd-a.tar.zst", part, headers);
        parted = sigv4_canonical_request(&request);
        assert_ptr_equal(strstr(parted, "PUT\n/prod-1/etcd-a.tar.zst\n"
                                        "partNumber=1&uploadId=VXBs%20b2Fk%2F%3D\nhost:"),
                         parted);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(get_object_is_signed_as_in_the_example),
                cmocka_unit_test(put_object_is_signed_as_in_the_example),
                cmocka_unit_test(a_parameter_without_value_is_signed_as_in_the_example),
                cmocka_unit_test(listing_is_signed_as_in_the_example),
                cmocka_unit_test(a_session_token_is_signed_as_in_the_test_suite),
                cmocka_unit_test(a_plain_request_is_signed_as_in_the_test_suite),
                cmocka_unit_test(the_requests_of_a_multipart_upload_have_their_canonical_form),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
