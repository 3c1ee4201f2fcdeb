/* SPDX-License-Identifier: Apache-2.0 */

#include "s3-error.h"

#include <stdio.h>
#include <string.h>

#include "s3-xml.h"

/* Into one line, cut when it does not fit. */
static void take(char *field, size_t size, const char *text)
{
        (void)snprintf(field, size, "%s", text);
        for (; *field; field++)
                if ((unsigned char)*field < ' ' || *field == 0x7F)
                        *field = ' ';
}

static int on_text(const char *path, const char *text, void *userdata)
{
        struct s3_error *error = userdata;

        if (strcmp(path, "Error/Code") == 0)
                take(error->code, sizeof(error->code), text);
        else if (strcmp(path, "Error/Message") == 0)
                take(error->message, sizeof(error->message), text);
        else if (strcmp(path, "Error/Region") == 0)
                take(error->region, sizeof(error->region), text);
        return 0;
}

bool s3_error_read(const char *body, size_t size, struct s3_error *ret)
{
        const struct s3_xml_reader reader = { .text = on_text, .userdata = ret };

        *ret = (struct s3_error){};
        if (s3_xml_read(body, size, &reader) < 0)
                *ret = (struct s3_error){};
        return ret->code[0] != '\0';
}

bool s3_error_is_transient(long status, const struct s3_error *error)
{
        static const char *const codes[] = { "InternalError",   "SlowDown",  "ServiceUnavailable",
                                             "RequestTimeout",  "BadDigest", "XAmzContentSHA256Mismatch",
                                             "OperationAborted" };

        for (size_t i = 0; i < ELEMENTS(codes); i++)
                if (strcmp(error->code, codes[i]) == 0)
                        return true;
        return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 ||
               status == 504;
}

struct meaning {
        const char *code; /* NULL: any of the status */
        long status;
        int error;
        const char *reason, *remedy;
};

#define CHECK_CREDENTIALS "check the keys in credentialsFile"
#define RENEW_CREDENTIALS "write fresh ones to credentialsFile; it is read anew by each run"
#define CHECK_REGION      "set the target's region to the bucket's"

#define RIGHTS                                                                                            \
        "the credentials need s3:ListBucket, s3:ListBucketMultipartUploads, s3:GetObject, s3:PutObject, " \
        "s3:AbortMultipartUpload and s3:DeleteObject there"
#define SERVER_LOG "see the server's own log"

/* Codes first: an error within a 200 has no status of its own. */
static const struct meaning meanings[] = {
        { "InvalidAccessKeyId", 0, -EACCES, "CredentialsRefused", CHECK_CREDENTIALS },
        { "SignatureDoesNotMatch", 0, -EACCES, "CredentialsRefused", CHECK_CREDENTIALS },
        { "ExpiredToken", 0, -EACCES, "CredentialsExpired", RENEW_CREDENTIALS },
        { "InvalidToken", 0, -EACCES, "CredentialsExpired", RENEW_CREDENTIALS },
        { "RequestTimeTooSkewed", 0, -EACCES, "ClockSkewed",
          "set the node's clock: timedatectl timesync-status" },
        { "AuthorizationHeaderMalformed", 0, -EINVAL, "WrongRegion", CHECK_REGION },
        { "PermanentRedirect", 0, -EINVAL, "WrongRegion", CHECK_REGION },
        { "NoSuchBucket", 0, -ENODEV, "NoSuchBucket", "create the bucket, or correct the target's bucket" },
        { "QuotaExceeded", 0, -ENOSPC, "TargetFull", "raise the quota, or lower the target's retention" },
        { "EntityTooLarge", 0, -ENOSPC, "TargetFull", "raise the quota, or lower the target's retention" },
        { "ObjectLocked", 0, -EPERM, "ObjectLocked", "its object lock keeps it until it expires" },
        { "AccessDenied", 0, -EACCES, "AccessDenied", RIGHTS },
        { "InternalError", 0, -EBUSY, "TargetFailing", SERVER_LOG },
        { "ServiceUnavailable", 0, -EBUSY, "TargetFailing", "the server is overloaded or down" },
        { "SlowDown", 0, -EBUSY, "TargetFailing", "the server asks for fewer requests" },
        { NULL, 403, -EACCES, "AccessDenied", RIGHTS },
        { NULL, 301, -EINVAL, "WrongRegion", CHECK_REGION },
        { NULL, 401, -EACCES, "CredentialsRefused",
          "check the keys in credentialsFile, and where a proxy stands between, which may say this, too, "
          "proxy_user and proxy_password there" },
        { NULL, 404, -ENOENT, "NotFound", "check the target's endpoint and bucket" },
        { NULL, 407, -EACCES, "ProxyCredentialsRefused",
          "check proxy_user and proxy_password in credentialsFile" },
        { NULL, 412, -EEXIST, "NameTaken", "another object has that name" },
        { NULL, 501, -ENOSYS, "NotImplemented", "the server does not know this request" },
        { NULL, 500, -EBUSY, "TargetFailing", SERVER_LOG },
        { NULL, 502, -EBUSY, "TargetFailing", "see the log of the server and of the proxy before it" },
        { NULL, 503, -EBUSY, "TargetFailing", "the server is overloaded or down" },
        { NULL, 504, -EBUSY, "TargetFailing", "see the log of the server and of the proxy before it" },
        { NULL, 429, -EBUSY, "TargetFailing", "the server asks for fewer requests" },
};

/* MinIO and Ceph refuse to remove what is locked in words of their own. */
static bool says_locked(const struct s3_error *error)
{
        return strcasestr(error->message, "object lock") || strcasestr(error->message, "WORM") ||
               strcasestr(error->message, "retention") || strcasestr(error->message, "legal hold");
}

static const struct meaning *find_meaning(long status, const struct s3_error *error)
{
        const char *code = says_locked(error) ? "ObjectLocked" : error->code;

        for (size_t i = 0; i < ELEMENTS(meanings); i++)
                if (meanings[i].code ? strcmp(meanings[i].code, code) == 0 : meanings[i].status == status)
                        return &meanings[i];
        return NULL;
}

int s3_error_explain(long status, const struct s3_error *error, struct failure *failure)
{
        const struct meaning *meaning = find_meaning(status, error);
        const char *region = error->region;

        return failure_set(failure, meaning ? meaning->error : -EPROTO,
                           meaning ? meaning->reason : "TargetRefused",
                           "the server answered %ld%s%s%s%s%s%s%s%s%s", status, error->code[0] ? " " : "",
                           error->code, error->message[0] ? " (" : "", error->message,
                           error->message[0] ? ")" : "", meaning ? "; " : "", meaning ? meaning->remedy : "",
                           region[0] ? ", which is " : "", region);
}
