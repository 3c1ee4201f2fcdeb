/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* When the certificates expire that kubeadm and the kubelet made, as files and inside of kubeconfigs. */

#include "check.h"
#include "files.h"

#define CERTIFICATE_FILES_MAX 24

struct certificate_file {
        char *path;
        uint64_t not_after_usec; /* CLOCK_REALTIME, of the certificate that expires first */
        bool is_ca;
        uint64_t issued_usec; /* of the oldest that is no authority; 0: there is none */
        /* While it stays the same the file is not parsed again, which costs more than all else of a look. */
        struct file_stamp stamp;
        char *named[2]; /* the files that a kubeconfig names; NULL: none */
};

struct certificate_files {
        struct certificate_file items[CERTIFICATE_FILES_MAX];
        size_t count;
        char *serving; /* the file that the kubelet's configuration names; NULL: none */
        struct file_stamp serving_stamp;
};

void certificate_files_clear(struct certificate_files *files);

int certificates_start(struct check_run *run);
int certificates_metrics(const struct node *node, json_object *metrics);
/* The files as an array of objects; NULL: no memory. */
json_object *certificates_describe(const struct certificate_files *files);
