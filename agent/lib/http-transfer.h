/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The inside of the HTTP client, between http-client.c (libcurl's multi interface on sd-event) and
 * http-transfer.c (one exchange: options, bytes, errors). */

#include <curl/curl.h>
#include <stdbool.h>

#include "http-client.h"

struct http_transfer {
        struct http_client *client;
        struct http_transfer *next, *previous;

        CURL *easy;
        struct curl_slist *headers;
        http_done_fn done;
        int (*on_body)(struct http_transfer *transfer, const void *data, size_t size, void *userdata);
        void (*release)(void *userdata);
        void *userdata;

        struct http_body_file upload;
        uint64_t upload_size, uploaded;

        char *body;
        size_t body_size, body_capacity, body_max;
        bool discards;
        char *header_lines; /* "name\0value\0" pairs of the last response, trailers behind */
        size_t header_lines_size;

        sd_event_source *stall;
        uint64_t stall_tick_usec;
        curl_off_t stall_bytes;
        unsigned stall_ticks;

        bool has_certificate;
        int result; /* why a callback of ours ended the transfer */
        bool canceled, finished;
        char error_text[CURL_ERROR_SIZE];
};

/* Sets up the easy handle. 0, -EINVAL for what libcurl refuses, or -ENOMEM. */
int http_transfer_setup(struct http_transfer *transfer, const struct http_request *request);

/* libcurl's result as http_done_fn has it. */
int http_transfer_error(struct http_transfer *transfer, CURLcode code);
