/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Whether containerd can go by what is published, before anybody asks whether the endpoints answer. Pure. */

#include "condition.h"
#include "publish.h"

struct mirror_verdict {
        enum condition_status status;
        char reason[CONDITION_REASON_MAX];
        char message[CONDITION_MESSAGE_MAX];
};

struct mirror_situation {
        const struct mirror_plan *plan;
        const struct mirror_facts *facts;
        const struct failure *failure; /* of the last attempt to publish; NULL: it succeeded */
        bool restart_pending;          /* containerd runs since before our file was there */
        bool restart_asked;            /* and the agent is to restart it */
};

/* Returns false, with the verdict, when something keeps the mirrors from being used; true with
 * True/MirrorsInPlace else. */
bool mirror_judge(const struct mirror_situation *situation, struct mirror_verdict *ret);
