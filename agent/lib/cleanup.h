/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Scope-bound ownership, after systemd's and crun's cleanup attributes: a variable marked _cleanup_(f)
 * calls f(&variable) when its scope ends; TAKE_PTR and TAKE_FD move ownership out of it. */

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f)      __attribute__((cleanup(f)))
#define _printf_(fmt, va) __attribute__((format(printf, fmt, va)))

/* clang-format off */
#define TAKE_PTR(pointer) ({ __typeof__(pointer) *_p_ = &(pointer), _v_ = *_p_; *_p_ = NULL; _v_; })
#define TAKE_FD(fd)       ({ int *_f_ = &(fd), _v_ = *_f_; *_f_ = -EBADF; _v_; })
/* clang-format on */

#define ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

/* Defines `static inline void f##p(type **)` for a destructor `f(type *)` that accepts NULL. */
#define DEFINE_CLEANUP(type, f)                \
        static inline void f##p(type *pointer) \
        {                                      \
                if (*pointer)                  \
                        f(*pointer);           \
        }

/* free() for any pointer variable. */
static inline void freep(void *pointer)
{
        free(*(void **)pointer);
}

/* Closes a descriptor variable; -EBADF (or any negative number) means that it holds none. */
static inline void closep(int *fd)
{
        if (*fd >= 0) {
                int saved = errno;

                close(*fd);
                errno = saved;
        }
}

DEFINE_CLEANUP(FILE *, fclose)
DEFINE_CLEANUP(DIR *, closedir)

#define _cleanup_free_  _cleanup_(freep)
#define _cleanup_close_ _cleanup_(closep)
