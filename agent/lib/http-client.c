/* SPDX-License-Identifier: Apache-2.0 */

#include "http-transfer.h"

#include <stdio.h>
#include <string.h>

#define RESPONSE_MAX (1024 * 1024)
#define STALL_TICKS  4

/* libcurl's own number of idle connections goes by the requests under way, which are none or one here. */
#define IDLE_CONNECTIONS_MAX 16L

struct http_client {
        sd_event *event;
        CURLM *multi;
        sd_event_source *timer, *now; /* the latter for what libcurl wants at once */
        struct http_transfer *transfers;

        /* libcurl must not be entered from its own callbacks, and what a callback of the user frees may still
         * be on our stack: removal waits until libcurl (in_curl) or we (depth) have returned. */
        bool in_curl, dying;
        unsigned depth;
};

/* What GNUTLS_SKIP_GLOBAL_INIT of gnutls.h defines. Debian's libcurl is OpenSSL's, but has GnuTLS with it for
 * LDAP and RTMP, which are never spoken here: its constructor takes 0.2 MB and a millisecond. */
int skip_gnutls(void) __asm__("_gnutls_global_init_skip");
__attribute__((visibility("default"))) int skip_gnutls(void)
{
        return 1;
}

static void transfer_free(struct http_transfer *transfer)
{
        struct http_client *client = transfer->client;

        if (transfer->previous)
                transfer->previous->next = transfer->next;
        else if (client->transfers == transfer)
                client->transfers = transfer->next;
        if (transfer->next)
                transfer->next->previous = transfer->previous;

        if (transfer->easy) {
                curl_multi_remove_handle(client->multi, transfer->easy);
                curl_easy_cleanup(transfer->easy);
        }
        curl_slist_free_all(transfer->headers);
        sd_event_source_disable_unref(transfer->stall);
        if (transfer->release)
                transfer->release(transfer->userdata);
        free(transfer->body);
        free(transfer->header_lines);
        free(transfer);
}
DEFINE_CLEANUP(struct http_transfer *, transfer_free)

static void client_destroy(struct http_client *client)
{
        while (client->transfers)
                transfer_free(client->transfers);

        curl_multi_cleanup(client->multi);
        sd_event_source_disable_unref(client->timer);
        sd_event_source_disable_unref(client->now);
        sd_event_unref(client->event);
        free(client);
}

struct http_client *http_client_free(struct http_client *client)
{
        if (!client)
                return NULL;

        if (client->depth > 0) {
                client->dying = true;
                for (struct http_transfer *transfer = client->transfers; transfer; transfer = transfer->next)
                        transfer->canceled = true;
        } else {
                client_destroy(client);
        }

        return NULL;
}

static void transfer_finish(struct http_transfer *transfer, int error)
{
        transfer->finished = true;
        if (!transfer->canceled)
                transfer->done(transfer, error, transfer->userdata);
        transfer_free(transfer);
}

static void client_enter(struct http_client *client)
{
        client->depth++;
}

static struct http_transfer *first_canceled(struct http_client *client)
{
        struct http_transfer *transfer = client->transfers;

        while (transfer && !transfer->canceled)
                transfer = transfer->next;
        return transfer;
}

/* Delivers what libcurl finished and removes what callbacks canceled; the client may be gone afterwards. */
static void client_leave(struct http_client *client)
{
        struct http_transfer *canceled;
        CURLMsg *message;
        int left;

        while (!client->dying && (message = curl_multi_info_read(client->multi, &left))) {
                struct http_transfer *transfer;

                if (message->msg != CURLMSG_DONE)
                        continue;
                curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
                transfer_finish(transfer, http_transfer_error(transfer, message->data.result));
        }

        if (--client->depth > 0)
                return;
        if (client->dying) {
                client_destroy(client);
                return;
        }
        while ((canceled = first_canceled(client)))
                transfer_free(canceled);
}

static void client_act(struct http_client *client, curl_socket_t fd, int mask)
{
        int running;

        client_enter(client);
        client->in_curl = true;
        curl_multi_socket_action(client->multi, fd, mask, &running);
        client->in_curl = false;
        client_leave(client);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        int mask = 0;

        (void)source;
        if (events & (EPOLLIN | EPOLLHUP))
                mask |= CURL_CSELECT_IN;
        if (events & EPOLLOUT)
                mask |= CURL_CSELECT_OUT;
        if (events & EPOLLERR)
                mask |= CURL_CSELECT_ERR;
        client_act(userdata, fd, mask);
        return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        (void)source;
        (void)usec;
        client_act(userdata, CURL_SOCKET_TIMEOUT, 0);
        return 0;
}

static int on_now(sd_event_source *source, void *userdata)
{
        return on_timer(source, 0, userdata);
}

/* CURLMOPT_SOCKETFUNCTION: the source of each socket is libcurl's per-socket pointer. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *userdata, void *socket_data)
{
        struct http_client *client = userdata;
        sd_event_source *source = socket_data;
        uint32_t events;

        (void)easy;
        if (what == CURL_POLL_REMOVE) {
                sd_event_source_disable_unref(source);
                curl_multi_assign(client->multi, fd, NULL);
                return 0;
        }

        events = (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);
        if (source)
                return sd_event_source_set_io_events(source, events) < 0 ? -1 : 0;

        if (sd_event_add_io(client->event, &source, fd, events, on_io, client) < 0)
                return -1;
        if (curl_multi_assign(client->multi, fd, source) != CURLM_OK) {
                sd_event_source_disable_unref(source);
                return -1;
        }
        return 0;
}

/* CURLMOPT_TIMERFUNCTION; called inside libcurl, so even 0 ms is left to the loop. */
static int on_timeout_change(CURLM *multi, long timeout_ms, void *userdata)
{
        struct http_client *client = userdata;

        (void)multi;
        if (sd_event_source_set_enabled(client->now, timeout_ms == 0 ? SD_EVENT_ONESHOT : SD_EVENT_OFF) < 0)
                return -1;
        if (timeout_ms <= 0)
                return sd_event_source_set_enabled(client->timer, SD_EVENT_OFF) < 0 ? -1 : 0;
        if (sd_event_source_set_time_relative(client->timer, (uint64_t)timeout_ms * 1000) < 0)
                return -1;
        return sd_event_source_set_enabled(client->timer, SD_EVENT_ONESHOT) < 0 ? -1 : 0;
}

int http_client_new(sd_event *event, struct http_client **ret)
{
        _cleanup_(http_client_freep) struct http_client *client = NULL;
        int r;

        if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
                return -ENOMEM;

        client = calloc(1, sizeof(*client));
        if (!client)
                return -ENOMEM;

        client->event = sd_event_ref(event);
        client->multi = curl_multi_init();
        if (!client->multi)
                return -ENOMEM;

        r = sd_event_add_time(event, &client->timer, CLOCK_MONOTONIC, UINT64_MAX, 1000, on_timer, client);
        if (r >= 0)
                r = sd_event_add_defer(event, &client->now, on_now, client);
        if (r >= 0)
                r = sd_event_source_set_enabled(client->now, SD_EVENT_OFF);
        if (r < 0)
                return r;

        curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
        curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
        curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_timeout_change);
        curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
        curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, IDLE_CONNECTIONS_MAX);

        *ret = TAKE_PTR(client);
        return 0;
}

static int on_stall_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct http_transfer *transfer = userdata;
        curl_off_t down = 0, up = 0;
        long header = 0, request = 0;

        (void)usec;
        /* Counted in ticks that we lived through, not in wall time: a machine that paused us has not stalled
         * the peer. */
        curl_easy_getinfo(transfer->easy, CURLINFO_SIZE_DOWNLOAD_T, &down);
        curl_easy_getinfo(transfer->easy, CURLINFO_SIZE_UPLOAD_T, &up);
        curl_easy_getinfo(transfer->easy, CURLINFO_HEADER_SIZE, &header);
        curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &request);
        if (down + up + header + request != transfer->stall_bytes) {
                transfer->stall_bytes = down + up + header + request;
                transfer->stall_ticks = 0;
        } else if (++transfer->stall_ticks >= STALL_TICKS) {
                struct http_client *client = transfer->client;

                snprintf(transfer->error_text, sizeof(transfer->error_text), "no byte came for %.3g s",
                         (double)(transfer->stall_tick_usec * STALL_TICKS) / 1e6);
                client_enter(client);
                transfer_finish(transfer, -ETIMEDOUT);
                client_leave(client);
                return 0;
        }

        sd_event_source_set_time_relative(source, transfer->stall_tick_usec);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int transfer_watch_stall(struct http_transfer *transfer, uint64_t stall_usec)
{
        if (stall_usec == 0)
                return 0;

        transfer->stall_tick_usec = stall_usec / STALL_TICKS;
        return sd_event_add_time_relative(transfer->client->event, &transfer->stall, CLOCK_MONOTONIC,
                                          transfer->stall_tick_usec, 1000, on_stall_tick, transfer);
}

int http_start(struct http_client *client, const struct http_request *request, http_done_fn done,
               struct http_transfer **ret_transfer)
{
        _cleanup_(transfer_freep) struct http_transfer *transfer = NULL;
        int r;

        if (client->in_curl || client->dying)
                return -EBUSY;

        transfer = calloc(1, sizeof(*transfer));
        if (!transfer)
                return -ENOMEM;
        transfer->client = client;
        transfer->easy = curl_easy_init();
        if (!transfer->easy)
                return -ENOMEM;
        transfer->done = done;
        transfer->on_body = request->on_body;
        transfer->discards = request->discard_body;
        transfer->has_certificate = request->cert_file || request->cert_pem;
        transfer->body_max = request->response_max ?: RESPONSE_MAX;

        r = http_transfer_setup(transfer, request);
        if (r < 0)
                return r;
        r = transfer_watch_stall(transfer, request->stall_usec);
        if (r < 0)
                return r;
        if (curl_multi_add_handle(client->multi, transfer->easy) != CURLM_OK)
                return -ENOMEM;

        /* From here on the client owns it, and the caller's release is due. */
        transfer->userdata = request->userdata;
        transfer->release = request->release;
        transfer->next = client->transfers;
        if (client->transfers)
                client->transfers->previous = transfer;
        client->transfers = transfer;

        if (ret_transfer)
                *ret_transfer = transfer;
        TAKE_PTR(transfer);
        return 0;
}

void http_cancel(struct http_transfer *transfer)
{
        transfer->canceled = true;
        if (transfer->finished || transfer->client->in_curl)
                return;

        transfer_free(transfer);
}

bool http_client_is_idle(const struct http_client *client)
{
        return !client->transfers && client->depth == 0;
}
