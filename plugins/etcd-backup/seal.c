/* SPDX-License-Identifier: Apache-2.0 */

#include "seal.h"

struct seal {
        struct age_encryptor *encryptor;
        struct age_file_key file_key;
        struct age_opener opener;
};

struct seal *seal_free(struct seal *seal)
{
        if (!seal)
                return NULL;
        age_encryptor_free(seal->encryptor);
        age_file_key_clear(&seal->file_key);
        free(seal);
        return NULL;
}

static int start_encryptor(struct seal *seal, const struct config_strings *texts, archive_sink_fn sink,
                           void *userdata)
{
        _cleanup_free_ struct age_recipient *recipients = calloc(texts->count, sizeof(*recipients));
        int r;

        if (!recipients)
                return -ENOMEM;
        for (size_t i = 0; i < texts->count; i++) {
                r = age_recipient_parse(texts->items[i], &recipients[i]);
                if (r < 0)
                        return r;
        }
        r = age_encryptor_new(recipients, texts->count, sink, userdata, &seal->encryptor);
        if (r < 0)
                return r;
        age_encryptor_file_key(seal->encryptor, &seal->file_key);
        seal->opener.file_key = &seal->file_key;
        return 0;
}

int seal_new(const struct config_strings *recipients, archive_sink_fn sink, void *userdata, struct seal **ret)
{
        _cleanup_(seal_freep) struct seal *seal = calloc(1, sizeof(*seal));
        int r;

        if (!seal)
                return -ENOMEM;
        r = start_encryptor(seal, recipients, sink, userdata);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(seal);
        return 0;
}

int seal_add(const void *data, size_t size, void *userdata)
{
        struct seal *seal = userdata;

        return age_encryptor_add(seal->encryptor, data, size);
}

int seal_finish(struct seal *seal)
{
        return age_encryptor_finish(seal->encryptor);
}

const struct age_opener *seal_opener(const struct seal *seal)
{
        return &seal->opener;
}
