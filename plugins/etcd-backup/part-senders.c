/* SPDX-License-Identifier: Apache-2.0 */

#include "part-senders.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#define SENDERS            4 /* as rclone has it */
#define INTERRUPT_CHECK_MS 200

struct sender {
        struct part_senders *all;
        struct s3 *s3;
        pthread_t thread;
};

struct part_senders {
        struct s3 *s3;
        part_send_fn send;
        void *userdata;
        struct interrupt interrupt; /* of the threads: the one who waits for them asks its own */
        atomic_bool stopping;       /* what is under way ends, too */
        atomic_bool ending;         /* nothing is tried again */

        pthread_mutex_t mutex;
        pthread_cond_t changed;
        size_t ready, taken, done; /* parts */
        bool closed;               /* no more will be ready */
        int error;
        struct failure failure;

        struct sender senders[SENDERS];
        size_t count, running;
};

static bool is_stopping(void *userdata)
{
        const struct part_senders *all = userdata;

        return atomic_load(&all->stopping);
}

/* Returns false when there will be none. */
static bool take(struct part_senders *all, size_t *ret)
{
        bool any;

        while (all->error >= 0 && all->taken == all->ready && !all->closed)
                pthread_cond_wait(&all->changed, &all->mutex);
        any = all->error >= 0 && all->taken < all->ready;
        if (any)
                *ret = all->taken++;
        pthread_cond_broadcast(&all->changed);
        return any;
}

static void end(struct part_senders *all, int error, struct failure *failure)
{
        if (error >= 0) {
                all->done++;
        } else if (all->error >= 0) {
                all->error = error;
                all->failure = *failure;
                *failure = (struct failure){};
                atomic_store(&all->ending, true);
        }
        pthread_cond_broadcast(&all->changed);
}

static void *run(void *userdata)
{
        struct sender *sender = userdata;
        struct part_senders *all = sender->all;
        size_t i;

        pthread_mutex_lock(&all->mutex);
        while (take(all, &i)) {
                _cleanup_failure_ failure = {};
                int r;

                pthread_mutex_unlock(&all->mutex);
                r = all->send(sender->s3, i, all->userdata, &failure);
                pthread_mutex_lock(&all->mutex);
                end(all, r, &failure);
        }
        all->running--;
        pthread_cond_broadcast(&all->changed);
        pthread_mutex_unlock(&all->mutex);
        return NULL;
}

/* Signals stay with the thread that waits for them. */
static int start(struct part_senders *all)
{
        struct sender *sender = &all->senders[all->count];
        sigset_t every, before;
        int r;

        sender->all = all;
        r = s3_open_beside(all->s3, &all->interrupt, &all->ending, &sender->s3);
        if (r < 0)
                return r;
        sigfillset(&every);
        pthread_sigmask(SIG_SETMASK, &every, &before);
        pthread_mutex_lock(&all->mutex); /* it begins when it is counted */
        r = -pthread_create(&sender->thread, NULL, run, sender);
        all->running += r >= 0;
        pthread_mutex_unlock(&all->mutex);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (r < 0) {
                s3_close(sender->s3);
                return r;
        }
        all->count++;
        return 0;
}

static struct part_senders *new_senders(void)
{
        struct part_senders *all = calloc(1, sizeof(*all));
        pthread_condattr_t attributes;

        if (!all)
                return NULL;
        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&all->changed, &attributes);
        pthread_condattr_destroy(&attributes);
        pthread_mutex_init(&all->mutex, NULL);
        return all;
}

int part_senders_new(struct s3 *s3, part_send_fn send, void *userdata, struct part_senders **ret)
{
        _cleanup_(part_senders_freep) struct part_senders *all = new_senders();

        if (!all)
                return -ENOMEM;
        all->s3 = s3;
        all->send = send;
        all->userdata = userdata;
        all->interrupt = (struct interrupt){ .asked = is_stopping, .userdata = all };
        while (all->count < SENDERS) {
                int r = start(all);

                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(all);
        return 0;
}

static void close_senders(struct part_senders *all)
{
        pthread_mutex_lock(&all->mutex);
        all->closed = true;
        pthread_cond_broadcast(&all->changed);
        pthread_mutex_unlock(&all->mutex);
}

struct part_senders *part_senders_free(struct part_senders *all)
{
        if (!all)
                return NULL;
        atomic_store(&all->ending, true);
        atomic_store(&all->stopping, true);
        close_senders(all);
        for (size_t i = 0; i < all->count; i++) {
                pthread_join(all->senders[i].thread, NULL);
                s3_close(all->senders[i].s3);
        }
        pthread_cond_destroy(&all->changed);
        pthread_mutex_destroy(&all->mutex);
        failure_clear(&all->failure);
        free(all);
        return NULL;
}

/* Until something happens, or it is time to ask whether to go on. */
static int wait_a_while(struct part_senders *all)
{
        struct timespec until;

        if (s3_interrupted(all->s3)) {
                atomic_store(&all->ending, true);
                atomic_store(&all->stopping, true);
                return -ECANCELED;
        }
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += INTERRUPT_CHECK_MS * 1000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&all->changed, &all->mutex, &until);
        return 0;
}

int part_senders_add(struct part_senders *all)
{
        int r = 0;

        pthread_mutex_lock(&all->mutex);
        while (r >= 0 && all->error >= 0 && all->ready > all->taken)
                r = wait_a_while(all);
        if (r >= 0)
                r = all->error;
        if (r >= 0) {
                all->ready++;
                pthread_cond_broadcast(&all->changed);
        }
        pthread_mutex_unlock(&all->mutex);
        return r;
}

int part_senders_finish(struct part_senders *all, struct failure *failure)
{
        int r = 0;

        close_senders(all);
        pthread_mutex_lock(&all->mutex);
        while (r >= 0 && all->running > 0)
                r = wait_a_while(all);
        if (r >= 0)
                r = all->error;
        if (r == -ECANCELED)
                (void)failure_set(failure, r, "Canceled", "stopped by a signal");
        else if (r < 0 && all->failure.reason)
                (void)failure_set(failure, r, all->failure.reason, "%s", all->failure.message);
        pthread_mutex_unlock(&all->mutex);
        return r;
}

size_t part_senders_done(struct part_senders *all)
{
        size_t done;

        pthread_mutex_lock(&all->mutex);
        done = all->done;
        pthread_mutex_unlock(&all->mutex);
        return done;
}
