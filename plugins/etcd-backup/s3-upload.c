/* SPDX-License-Identifier: Apache-2.0 */

#include "s3-upload.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "part-senders.h"
#include "s3-xml.h"

/* At least 5 MiB and at most 10 000 of them (AWS: "Amazon S3 multipart upload limits"). */
#ifndef S3_PART_MIB /* less where a test has little to send */
#define S3_PART_MIB 16
#endif
#define PART_SIZE  ((uint64_t)S3_PART_MIB << 20)
#define PARTS_MAX  9000
#define PIECE_SIZE (256 * 1024)

struct part {
        uint64_t offset, size;
        char sha256[SIGV4_HEX_SIZE];
        uint8_t md5[MD5_SIZE];
        char etag[S3_ETAG_MAX];
};

struct upload {
        struct s3 *s3;
        const char *key;
        int fd;
        uint64_t size;
        char sha256[SIGV4_HEX_SIZE]; /* what the whole has to be */
        struct hasher *whole;        /* what it is */
        EVP_MD_CTX *md5s;            /* of the parts' MD5s: the MD5 in a multipart object's ETag */

        char *id; /* of a multipart upload */
        struct part *parts;
        size_t n_parts;
};

static void upload_clear(struct upload *upload)
{
        hasher_free(upload->whole);
        EVP_MD_CTX_free(upload->md5s);
        free(upload->id);
        free(upload->parts);
}

static void md5_hex(const uint8_t md5[static MD5_SIZE], char ret[static 2 * MD5_SIZE + 1])
{
        for (size_t i = 0; i < MD5_SIZE; i++)
                (void)snprintf(ret + 2 * i, 3, "%02x", md5[i]);
}

static int hash_pieces(struct upload *upload, struct part *part, struct hasher *hasher, EVP_MD_CTX *md5)
{
        _cleanup_free_ uint8_t *piece = malloc(PIECE_SIZE);
        uint64_t done = 0;
        int r;

        if (!piece)
                return -ENOMEM;
        while (done < part->size) {
                uint64_t left = part->size - done;
                ssize_t n = pread(upload->fd, piece, left < PIECE_SIZE ? left : PIECE_SIZE,
                                  (off_t)(part->offset + done));

                if (n <= 0)
                        return n < 0 ? -errno : -EBADMSG;
                r = hasher_add(hasher, piece, (size_t)n);
                if (r >= 0)
                        r = hasher_add(upload->whole, piece, (size_t)n);
                if (r < 0)
                        return r;
                if (EVP_DigestUpdate(md5, piece, (size_t)n) != 1)
                        return -EIO;
                done += (uint64_t)n;
        }
        return 0;
}

DEFINE_CLEANUP(EVP_MD_CTX *, EVP_MD_CTX_free)

/* Before it is sent, because the signature holds its hash. */
static int hash_part(struct upload *upload, struct part *part)
{
        _cleanup_(EVP_MD_CTX_freep) EVP_MD_CTX *md5 = EVP_MD_CTX_new();
        _cleanup_(hasher_freep) struct hasher *hasher = NULL;
        uint8_t digest[SHA256_SIZE];
        int r;

        if (!md5)
                return -ENOMEM;
        r = hasher_new(&hasher);
        if (r < 0)
                return r;
        if (EVP_DigestInit_ex(md5, EVP_md5(), NULL) != 1)
                return -EIO;
        r = hash_pieces(upload, part, hasher, md5);
        if (r < 0)
                return r;
        r = hasher_finish(hasher, digest);
        if (r < 0)
                return r;
        sigv4_hex(digest, part->sha256);
        return EVP_DigestFinal_ex(md5, part->md5, NULL) == 1 &&
                               EVP_DigestUpdate(upload->md5s, part->md5, MD5_SIZE) == 1
                       ? 0
                       : -EIO;
}

/* Whether what was read is what the manifest names: a disk that lies must not make a bad copy elsewhere. */
static int check_whole(struct upload *upload, struct failure *failure)
{
        uint8_t digest[SHA256_SIZE];
        char hex[SIGV4_HEX_SIZE];
        int r;

        r = hasher_peek(upload->whole, digest);
        if (r < 0)
                return r;
        if (strcmp(sigv4_hex(digest, hex), upload->sha256) == 0)
                return 0;
        return failure_set(failure, -EBADMSG, "LocalCopyDamaged",
                           "the local copy is not what its manifest says; see dmesg for its disk");
}

static bool is_md5_form(const char *etag)
{
        size_t digits = strspn(etag, "0123456789abcdef");

        return digits == 2 * MD5_SIZE && (etag[digits] == '\0' || etag[digits] == '-');
}

/* Holds an ETag against the MD5, where it is one: under a key of the server's, and on some servers, it is
 * not. */
static int check_etag(const struct s3_answer *answer, const char *expected, struct failure *failure)
{
        if (answer->encrypted || !is_md5_form(answer->etag) || strcmp(answer->etag, expected) == 0)
                return 0;
        return failure_set(failure, -EBADMSG, "StoredDifferently",
                           "the server stored other bytes than were sent: its ETag is %s, not %s",
                           answer->etag, expected);
}

/* Looks at what is there now. */
static int check_object(const struct upload *upload, const char *etag, const char *expected,
                        struct failure *failure)
{
        _cleanup_s3_answer_ answer = {};
        int r;

        r = s3_exchange(upload->s3, &(struct s3_request){ .method = "HEAD", .key = upload->key }, &answer,
                        failure);
        if (r < 0)
                return r;
        if (answer.length != upload->size)
                return failure_set(failure, -EBADMSG, "StoredDifferently",
                                   "the server holds %" PRIu64 " bytes where %" PRIu64 " were sent",
                                   answer.length, upload->size);
        if ((etag && strcmp(answer.etag, etag) != 0) ||
            (answer.sha256[0] && strcmp(answer.sha256, upload->sha256) != 0))
                return failure_set(failure, -EBADMSG, "StoredDifferently",
                                   "another object stands where this one was stored (ETag %s)", answer.etag);
        return check_etag(&answer, expected, failure);
}

static int put_whole(struct upload *upload, struct failure *failure)
{
        const struct http_body_file file = { upload->fd, 0 };
        struct part part = { .size = upload->size };
        char expected[2 * MD5_SIZE + 1];
        _cleanup_s3_answer_ answer = {};
        int r;

        r = hash_part(upload, &part);
        if (r >= 0)
                r = check_whole(upload, failure);
        if (r >= 0)
                r = s3_exchange(upload->s3,
                                &(struct s3_request){ .method = "PUT",
                                                      .key = upload->key,
                                                      .body_file = &file,
                                                      .body_size = upload->size,
                                                      .payload_sha256 = part.sha256,
                                                      .md5 = part.md5,
                                                      .sha256 = upload->sha256 },
                                &answer, failure);
        if (r < 0)
                return r;
        md5_hex(part.md5, expected);
        r = check_etag(&answer, expected, failure);
        return r < 0 ? r : check_object(upload, answer.etag, expected, failure);
}

/* The text of one element of an answer. */
struct element {
        const char *path;
        char *text;
};

static int on_element(const char *path, const char *text, void *userdata)
{
        struct element *element = userdata;

        if (strcmp(path, element->path) != 0)
                return 0;
        free(element->text);
        element->text = strdup(text);
        return element->text ? 0 : -ENOMEM;
}

static int begin(struct upload *upload, struct failure *failure)
{
        static const struct sigv4_field query[] = { { "uploads", "" }, {} };
        struct element id = { .path = "InitiateMultipartUploadResult/UploadId" };
        const struct s3_xml_reader reader = { .text = on_element, .userdata = &id };
        _cleanup_s3_answer_ answer = {};
        int r;

        r = s3_exchange(upload->s3,
                        &(struct s3_request){ .method = "POST",
                                              .key = upload->key,
                                              .query = query,
                                              .sha256 = upload->sha256 },
                        &answer, failure);
        if (r < 0)
                return r;
        r = s3_xml_read(answer.body ?: "", answer.size, &reader);
        upload->id = id.text;
        if (r == -ENOMEM)
                return r;
        if (r < 0 || !upload->id || !upload->id[0])
                return failure_set(failure, -EBADMSG, "BadAnswer",
                                   "the server began an upload without naming it");
        return 0;
}

static int send_part(struct s3 *s3, size_t i, void *userdata, struct failure *failure)
{
        struct upload *upload = userdata;
        struct part *part = &upload->parts[i];
        const struct http_body_file file = { upload->fd, part->offset };
        char number[21], expected[2 * MD5_SIZE + 1];
        const struct sigv4_field query[] = { { "partNumber", number }, { "uploadId", upload->id }, {} };
        _cleanup_s3_answer_ answer = {};
        int r;

        (void)snprintf(number, sizeof(number), "%zu", i + 1);
        r = s3_exchange(s3,
                        &(struct s3_request){ .method = "PUT",
                                              .key = upload->key,
                                              .query = query,
                                              .body_file = &file,
                                              .body_size = part->size,
                                              .payload_sha256 = part->sha256,
                                              .md5 = part->md5 },
                        &answer, failure);
        if (r < 0)
                return r;
        md5_hex(part->md5, expected);
        r = check_etag(&answer, expected, failure);
        if (r < 0)
                return r;
        if (!answer.etag[0] || strpbrk(answer.etag, "<>&\""))
                return failure_set(failure, -EBADMSG, "BadAnswer",
                                   "the server stored a part without an ETag");
        (void)snprintf(part->etag, sizeof(part->etag), "%s", answer.etag);
        return 0;
}

static char *format_parts(const struct upload *upload)
{
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        if (!out)
                return NULL;
        fputs("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">", out);
        for (size_t i = 0; i < upload->n_parts; i++)
                fprintf(out, "<Part><PartNumber>%zu</PartNumber><ETag>\"%s\"</ETag></Part>", i + 1,
                        upload->parts[i].etag);
        fputs("</CompleteMultipartUpload>", out);
        if (ferror(out) | fclose(out)) {
                free(text);
                return NULL;
        }
        return text;
}

/* The answer to the first try may have been lost though it was carried out: then the upload is gone, and the
 * object itself tells. */
static int complete(struct upload *upload, struct failure *failure)
{
        const struct sigv4_field query[] = { { "uploadId", upload->id }, {} };
        _cleanup_free_ char *parts = format_parts(upload);
        char expected[2 * MD5_SIZE + sizeof("-10000")];
        _cleanup_s3_answer_ answer = {};
        uint8_t md5[MD5_SIZE];
        int r;

        if (!parts)
                return -ENOMEM;
        r = s3_exchange(upload->s3,
                        &(struct s3_request){ .method = "POST",
                                              .key = upload->key,
                                              .query = query,
                                              .body = parts,
                                              .body_size = strlen(parts) },
                        &answer, failure);
        if (r < 0 && r != -ENOENT)
                return r;
        if (EVP_DigestFinal_ex(upload->md5s, md5, NULL) != 1)
                return -EIO;
        md5_hex(md5, expected);
        (void)snprintf(expected + strlen(expected), sizeof("-10000"), "-%u", (unsigned)upload->n_parts);
        return check_object(upload, NULL, expected, failure);
}

/* While some parts are sent, the next one is hashed. */
static int send_parts(struct upload *upload, uint64_t part_size, struct failure *failure)
{
        _cleanup_(part_senders_freep) struct part_senders *senders = NULL;
        int r;

        r = part_senders_new(upload->s3, send_part, upload, &senders);
        if (r < 0)
                return r;
        for (size_t i = 0; i < upload->n_parts && r >= 0; i++) {
                struct part *part = &upload->parts[i];

                part->offset = i * part_size;
                part->size =
                        upload->size - part->offset < part_size ? upload->size - part->offset : part_size;
                r = hash_part(upload, part);
                if (r < 0)
                        return r;
                r = part_senders_add(senders);
                s3_tell(upload->s3, part_senders_done(senders) * part_size, upload->size);
        }
        r = part_senders_finish(senders, failure);
        if (r >= 0)
                s3_tell(upload->s3, upload->size, upload->size);
        return r;
}

static int put_parts(struct upload *upload, struct failure *failure)
{
        uint64_t part_size = PART_SIZE;
        int r;

        while (upload->size / part_size > PARTS_MAX)
                part_size += PART_SIZE;
        upload->n_parts = (size_t)((upload->size + part_size - 1) / part_size);
        upload->parts = calloc(upload->n_parts, sizeof(*upload->parts));
        if (!upload->parts)
                return -ENOMEM;
        r = begin(upload, failure);
        if (r >= 0)
                r = send_parts(upload, part_size, failure);
        if (r >= 0)
                r = check_whole(upload, failure);
        return r < 0 ? r : complete(upload, failure);
}

/* What a failed upload left. What stays all the same, the next run's sweep finds. */
static void clean_up(struct upload *upload, int error)
{
        if (error == -ECANCELED)
                s3_wind_up(upload->s3);
        if (upload->id)
                (void)s3_abort_upload(upload->s3, upload->key, upload->id, NULL);
        else if (error == -EBADMSG)
                (void)s3_delete(upload->s3, upload->key, NULL);
}

int s3_put_file(struct s3 *s3, const char *key, int fd, uint64_t size,
                const uint8_t sha256[static SHA256_SIZE], struct failure *failure)
{
        _cleanup_(upload_clear) struct upload upload = { .s3 = s3, .key = key, .fd = fd, .size = size };
        int r;

        sigv4_hex(sha256, upload.sha256);
        upload.md5s = EVP_MD_CTX_new();
        if (!upload.md5s || EVP_DigestInit_ex(upload.md5s, EVP_md5(), NULL) != 1)
                return -ENOMEM;
        r = hasher_new(&upload.whole);
        if (r < 0)
                return r;
        r = size > PART_SIZE ? put_parts(&upload, failure) : put_whole(&upload, failure);
        if (r < 0)
                clean_up(&upload, r);
        return r;
}

int s3_put_text(struct s3 *s3, const char *key, const char *text, struct failure *failure)
{
        struct s3_request request = {
                .method = "PUT", .key = key, .body = text, .body_size = strlen(text), .only_if_absent = true
        };
        _cleanup_s3_answer_ answer = {};
        _cleanup_failure_ found = {};
        uint8_t md5[MD5_SIZE];
        int r;

        if (EVP_Digest(text, strlen(text), md5, NULL, EVP_md5(), NULL) == 1)
                request.md5 = md5;
        r = s3_exchange(s3, &request, &answer, &found);
        if (r >= 0)
                return 0;
        if (r == -ENOSYS) { /* Swift's answer to If-None-Match */
                request.only_if_absent = false;
                return s3_exchange(s3, &request, &answer, failure);
        }
        return found.reason ? failure_set(failure, r, found.reason, "%s", found.message) : r;
}

int s3_abort_upload(struct s3 *s3, const char *key, const char *id, struct failure *failure)
{
        const struct sigv4_field query[] = { { "uploadId", id }, {} };
        _cleanup_failure_ found = {};
        _cleanup_s3_answer_ answer = {};
        int r;

        r = s3_exchange(s3, &(struct s3_request){ .method = "DELETE", .key = key, .query = query }, &answer,
                        &found);
        if (r >= 0 || r == -ENOENT)
                return 0;
        return failure_set(failure, r, found.reason ?: "TargetRefused", "%s", found.message ?: strerror(-r));
}

int s3_delete(struct s3 *s3, const char *key, struct failure *failure)
{
        _cleanup_failure_ found = {};
        _cleanup_s3_answer_ answer = {};
        int r;

        r = s3_exchange(s3, &(struct s3_request){ .method = "DELETE", .key = key }, &answer, &found);
        if (r >= 0 || r == -ENOENT)
                return 0;
        return failure_set(failure, r, found.reason ?: "TargetRefused", "%s", found.message ?: strerror(-r));
}
