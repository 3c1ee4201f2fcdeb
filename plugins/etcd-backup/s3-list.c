/* SPDX-License-Identifier: Apache-2.0 */

#include "s3-list.h"

#include <string.h>

#include "s3-xml.h"

#define COUNT_MAX 1000000 /* far beyond any retention; what is more, is not a place for backups */

void s3_objects_clear(struct s3_objects *objects)
{
        for (size_t i = 0; i < objects->count; i++)
                free(objects->items[i].key);
        free(objects->items);
        *objects = (struct s3_objects){};
}

void s3_uploads_clear(struct s3_uploads *uploads)
{
        for (size_t i = 0; i < uploads->count; i++) {
                free(uploads->items[i].key);
                free(uploads->items[i].id);
        }
        free(uploads->items);
        *uploads = (struct s3_uploads){};
}

/* One page of either listing; the element under construction is the one behind the last. */
struct page {
        const char *entry;    /* "ListBucketResult/Contents" */
        const char *names[5]; /* of the texts below, in the order of enum text; NULL: not in this listing */
        char *texts[5];
        bool truncated, seen;

        int (*add)(void *list, char *texts[]);
        void *list;
};

enum text { TEXT_KEY, TEXT_SIZE, TEXT_ID, TEXT_NEXT, TEXT_NEXT_ID };

static void page_clear(struct page *page)
{
        for (size_t i = 0; i < ELEMENTS(page->texts); i++)
                free(page->texts[i]);
}

static int on_text(const char *path, const char *text, void *userdata)
{
        const char *slash = strchr(path, '/');
        struct page *page = userdata;

        if (strncmp(path, page->entry, strcspn(page->entry, "/")) != 0)
                return -EBADMSG;
        if (slash && strcmp(slash, "/IsTruncated") == 0) {
                page->seen = true;
                page->truncated = strcmp(text, "true") == 0;
                return 0;
        }
        for (size_t i = 0; i < ELEMENTS(page->names); i++) {
                if (!page->names[i] || strcmp(page->names[i], path) != 0)
                        continue;
                free(page->texts[i]);
                page->texts[i] = strdup(text);
                return page->texts[i] ? 0 : -ENOMEM;
        }
        return 0;
}

static int on_end(const char *path, void *userdata)
{
        struct page *page = userdata;
        int r;

        if (strcmp(path, page->entry) != 0)
                return 0;
        r = page->texts[TEXT_KEY] ? page->add(page->list, page->texts) : -EBADMSG;
        for (size_t i = TEXT_KEY; i <= TEXT_ID; i++) {
                free(page->texts[i]);
                page->texts[i] = NULL;
        }
        return r;
}

/* Reads one page. */
static int read_page(struct s3 *s3, const struct sigv4_field *query, struct page *page,
                     struct failure *failure)
{
        const struct s3_xml_reader reader = { .text = on_text, .end = on_end, .userdata = page };
        _cleanup_s3_answer_ answer = {};
        int r;

        r = s3_exchange(s3, &(struct s3_request){ .method = "GET", .query = query }, &answer, failure);
        if (r < 0)
                return r;
        page->truncated = page->seen = false;
        r = s3_xml_read(answer.body ?: "", answer.size, &reader);
        if (r < 0 && r != -EBADMSG)
                return r;
        /* A page that stopped early would look like a bucket that lost its copies. */
        if (r < 0 || !page->seen || (page->truncated && !page->texts[TEXT_NEXT]))
                return failure_set(
                        failure, -EBADMSG, "BadListing",
                        "the server's listing is not of S3's form; is the endpoint an S3 server's?");
        return 0;
}

static int parse_size(const char *text, uint64_t *ret)
{
        size_t length = text ? strlen(text) : 0;

        if (length == 0 || length > 19 || strspn(text, "0123456789") != length)
                return -EBADMSG;
        *ret = strtoull(text, NULL, 10);
        return 0;
}

static int add_object(void *list, char *texts[])
{
        struct s3_objects *objects = list;
        struct s3_object *items;
        uint64_t size;
        int r;

        r = parse_size(texts[TEXT_SIZE], &size);
        if (r < 0)
                return r;
        if (objects->count == COUNT_MAX)
                return -E2BIG;
        items = reallocarray(objects->items, objects->count + 1, sizeof(*items));
        if (!items)
                return -ENOMEM;
        objects->items = items;
        items[objects->count++] = (struct s3_object){ TAKE_PTR(texts[TEXT_KEY]), size };
        return 0;
}

static int by_key(const void *a, const void *b)
{
        return strcmp(((const struct s3_object *)a)->key, ((const struct s3_object *)b)->key);
}

/* The mark that the next page begins behind; a server that gives the same one again would keep us for ever.
 */
static int advance(char **mark, char **next, struct failure *failure)
{
        if (*mark && strcmp(*mark, *next) == 0)
                return failure_set(failure, -EBADMSG, "BadListing",
                                   "the server's listing does not go on where its last page ended");
        free(*mark);
        *mark = TAKE_PTR(*next);
        return 0;
}

int s3_list_objects(struct s3 *s3, const char *prefix, struct s3_objects *ret, struct failure *failure)
{
        _cleanup_s3_objects_ objects = {};
        _cleanup_(page_clear) struct page page = {
                .entry = "ListBucketResult/Contents",
                .names = { [TEXT_KEY] = "ListBucketResult/Contents/Key",
                           [TEXT_SIZE] = "ListBucketResult/Contents/Size",
                           [TEXT_NEXT] = "ListBucketResult/NextContinuationToken" },
                .add = add_object,
                .list = &objects,
        };
        _cleanup_free_ char *token = NULL;
        int r;

        do {
                struct sigv4_field first[] = { { "list-type", "2" }, { "prefix", prefix }, {} }, next[] = {
                        { "continuation-token", token }, { "list-type", "2" }, { "prefix", prefix }, {}
                };

                r = read_page(s3, token ? next : first, &page, failure);
                if (r >= 0 && page.truncated)
                        r = advance(&token, &page.texts[TEXT_NEXT], failure);
                if (r < 0)
                        return r;
        } while (page.truncated);

        if (objects.count > 1)
                qsort(objects.items, objects.count, sizeof(*objects.items), by_key);
        *ret = objects;
        objects = (struct s3_objects){};
        return 0;
}

const struct s3_object *s3_objects_find(const struct s3_objects *objects, const char *key)
{
        const struct s3_object wanted = { .key = (char *)key };

        return objects->count > 0
                       ? bsearch(&wanted, objects->items, objects->count, sizeof(*objects->items), by_key)
                       : NULL;
}

static int add_upload(void *list, char *texts[])
{
        struct s3_uploads *uploads = list;
        struct s3_upload *items;

        if (!texts[TEXT_ID])
                return -EBADMSG;
        if (uploads->count == COUNT_MAX)
                return -E2BIG;
        items = reallocarray(uploads->items, uploads->count + 1, sizeof(*items));
        if (!items)
                return -ENOMEM;
        uploads->items = items;
        items[uploads->count++] = (struct s3_upload){ TAKE_PTR(texts[TEXT_KEY]), TAKE_PTR(texts[TEXT_ID]) };
        return 0;
}

int s3_list_uploads(struct s3 *s3, const char *prefix, struct s3_uploads *ret, struct failure *failure)
{
        _cleanup_s3_uploads_ uploads = {};
        _cleanup_(page_clear) struct page page = {
                .entry = "ListMultipartUploadsResult/Upload",
                .names = { [TEXT_KEY] = "ListMultipartUploadsResult/Upload/Key",
                           [TEXT_ID] = "ListMultipartUploadsResult/Upload/UploadId",
                           [TEXT_NEXT] = "ListMultipartUploadsResult/NextKeyMarker",
                           [TEXT_NEXT_ID] = "ListMultipartUploadsResult/NextUploadIdMarker" },
                .add = add_upload,
                .list = &uploads,
        };
        _cleanup_free_ char *key = NULL, *id = NULL;
        int r;

        do {
                struct sigv4_field first[] = { { "prefix", prefix }, { "uploads", "" }, {} },
                                   next[] = { { "key-marker", key },
                                              { "prefix", prefix },
                                              { "upload-id-marker", id ?: "" },
                                              { "uploads", "" },
                                              {} };

                r = read_page(s3, key ? next : first, &page, failure);
                if (r < 0)
                        return r;
                if (page.truncated) {
                        /* Two uploads may have one key; their ids move then. */
                        bool same = key && strcmp(key, page.texts[TEXT_NEXT]) == 0;

                        if (same && page.texts[TEXT_NEXT_ID])
                                r = advance(&id, &page.texts[TEXT_NEXT_ID], failure);
                        else
                                r = advance(&key, &page.texts[TEXT_NEXT], failure);
                        if (r >= 0 && !same) {
                                free(id);
                                id = TAKE_PTR(page.texts[TEXT_NEXT_ID]);
                        }
                        if (r < 0)
                                return r;
                }
        } while (page.truncated);

        *ret = uploads;
        uploads = (struct s3_uploads){};
        return 0;
}
