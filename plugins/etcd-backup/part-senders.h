/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A few threads that send the parts of an upload at once, each over a connection of its own: a server that
 * writes one part to its disk, or is far away, can take the next meanwhile. What they send is read from the
 * file, so they take no memory for it. */

#include <stddef.h>

#include "cleanup.h"
#include "failure.h"
#include "s3.h"

/* Sends part i, from any of the threads. Returns 0 or negative errno, perhaps with a failure. */
typedef int (*part_send_fn)(struct s3 *s3, size_t i, void *userdata, struct failure *failure);

struct part_senders;

/* All is borrowed until they are freed, and nobody else uses s3 until then. */
int part_senders_new(struct s3 *s3, part_send_fn send, void *userdata, struct part_senders **ret);
/* Ends what is under way at once. */
struct part_senders *part_senders_free(struct part_senders *senders);
DEFINE_CLEANUP(struct part_senders *, part_senders_free)

/* The next part is ready; waits until one of the threads can take it soon. Returns 0, -ECANCELED when
 * interrupted, or the first error of a part, after which no other is begun nor tried again. */
int part_senders_add(struct part_senders *senders);
/* Waits for what is under way; after an error too, because a server may take a part that comes behind the end
 * of its upload, and keep it. Returns as part_senders_add, with that error's failure. */
int part_senders_finish(struct part_senders *senders, struct failure *failure);

size_t part_senders_done(struct part_senders *senders);
