/* SPDX-License-Identifier: Apache-2.0 */

#include "side-hasher.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

struct side_hasher {
        struct hasher *hasher;
        pthread_t thread;
        sem_t wanted, done; /* each piece passes both; between them it belongs to the thread */
        bool busy, ending;
        const void *data;
        size_t size;
        int error;
};

static void wait_for(sem_t *semaphore)
{
        while (sem_wait(semaphore) < 0 && errno == EINTR)
                ;
}

static void *run(void *userdata)
{
        struct side_hasher *side = userdata;

        for (;;) {
                wait_for(&side->wanted);
                if (side->ending)
                        return NULL;
                if (side->error >= 0)
                        side->error = hasher_add(side->hasher, side->data, side->size);
                sem_post(&side->done);
        }
}

/* Signals stay with the thread that waits for them. */
static int start(struct side_hasher *side)
{
        sigset_t all, before;
        int error;

        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        error = pthread_create(&side->thread, NULL, run, side);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        return -error;
}

int side_hasher_new(struct hasher *hasher, struct side_hasher **ret)
{
        _cleanup_free_ struct side_hasher *side = calloc(1, sizeof(*side));
        int r;

        if (!side)
                return -ENOMEM;
        sem_init(&side->wanted, 0, 0);
        sem_init(&side->done, 0, 0);
        side->hasher = hasher;
        r = start(side);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(side);
        return 0;
}

struct side_hasher *side_hasher_free(struct side_hasher *side)
{
        if (!side)
                return NULL;
        (void)side_hasher_wait(side);
        side->ending = true;
        sem_post(&side->wanted);
        pthread_join(side->thread, NULL);
        free(side);
        return NULL;
}

int side_hasher_wait(struct side_hasher *side)
{
        if (side->busy)
                wait_for(&side->done);
        side->busy = false;
        return side->error;
}

int side_hasher_add(struct side_hasher *side, const void *data, size_t size)
{
        int r = side_hasher_wait(side);

        if (r < 0)
                return r;
        side->data = data;
        side->size = size;
        side->busy = true;
        sem_post(&side->wanted);
        return 0;
}
