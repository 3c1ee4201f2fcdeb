/* SPDX-License-Identifier: Apache-2.0 */

#include "runc-version.h"

#include <ctype.h>
#include <string.h>

#include "files.h"
#include "node.h"

/* Where containerd finds it first: image-builder's tarball, then the distribution's package. */
static const char *const paths[] = { "/usr/local/sbin/runc", "/usr/local/bin/runc", "/usr/sbin/runc",
                                     "/usr/bin/runc" };

void runc_version_stop(struct runc_version *runc)
{
        probe_stop(&runc->probe);
        if (runc->path)
                runc->stamp = (struct file_stamp){};
        free(runc->path);
        runc->path = NULL;
}

/* In the child. */
static void run_runc(int fd, void *userdata)
{
        const struct runc_version *runc = userdata;

        if (dup2(fd, STDOUT_FILENO) >= 0)
                (void)execl(runc->path, "runc", "--version", NULL);
        _exit(127);
}

/* "runc version 1.1.12\ncommit: …" */
static void read_version(const char *text, size_t size, char *version, size_t version_size)
{
        static const char begin[] = "runc version ";
        size_t n = 0;

        version[0] = '\0';
        if (size <= strlen(begin) || memcmp(text, begin, strlen(begin)) != 0)
                return;
        text += strlen(begin);
        size -= strlen(begin);
        while (n < size && n < version_size - 1 && isgraph((unsigned char)text[n])) {
                version[n] = text[n];
                n++;
        }
        version[n] = '\0';
}

static void on_answer(const void *answer, size_t size, void *userdata)
{
        struct runc_version *runc = userdata;

        free(runc->path);
        runc->path = NULL;
        read_version(answer, size, runc->text, sizeof(runc->text));
        runc->done(runc->userdata);
}

/* What somebody else than root could have put there is not executed. */
static bool is_roots(const char *path)
{
        struct stat st;

        return stat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
               !(st.st_mode & (S_IWGRP | S_IWOTH));
}

bool runc_version_ask(struct node *node, void (*done)(void *userdata), void *userdata)
{
        struct runc_version *runc = &node->runc;

        for (size_t i = 0; i < ELEMENTS(paths); i++) {
                _cleanup_free_ char *path = path_under(node->root, paths[i]);
                struct file_stamp stamp;

                if (!path || !is_roots(path))
                        continue;
                file_stamp_read(path, &stamp);
                if (file_stamp_same(&stamp, &runc->stamp))
                        return false;
                runc->path = path;
                runc->done = done;
                runc->userdata = userdata;
                if (probe_start(&runc->probe, node->event, run_runc, on_answer, runc) < 0) {
                        runc->path = NULL;
                        return false;
                }
                runc->stamp = stamp;
                TAKE_PTR(path);
                return true;
        }
        runc->text[0] = '\0';
        return false;
}
