/* SPDX-License-Identifier: Apache-2.0 */

#include "capability-program.h"

#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

#include "command.h"

#define ARGUMENTS_MAX 16

/* Capabilities that are not plugins, and their programs. */
static const struct {
        const char *name, *program;
} own_programs[] = {
        { "agent", "capi-node-agent" },
        { "gateway", "capi-node-gateway" },
};

/* Tests run from the build directory; a person who can set root's environment needs no help from this. */
static const char *libexec_directory(void)
{
        const char *directory = secure_getenv("CAPI_NODE_LIBEXEC");

        return directory ? directory : LIBEXECDIR;
}

static char *plugin_path(const char *name)
{
        char *path;

        if (name[0] == '\0' || name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-")] != '\0')
                return NULL;
        return asprintf(&path, "%s/plugins/%s", libexec_directory(), name) < 0 ? NULL : path;
}

static char *program_path(const char *name)
{
        char *path;

        for (size_t i = 0; i < ELEMENTS(own_programs); i++)
                if (strcmp(own_programs[i].name, name) == 0)
                        return asprintf(&path, "%s/%s", libexec_directory(), own_programs[i].program) < 0
                                       ? NULL
                                       : path;
        return plugin_path(name);
}

static bool is_executable(const char *path)
{
        return path && access(path, X_OK) == 0;
}

bool capability_is_plugin(const char *name)
{
        _cleanup_free_ char *path = plugin_path(name);

        return is_executable(path);
}

bool capability_exists(const char *name)
{
        _cleanup_free_ char *path = program_path(name);

        return is_executable(path);
}

int capability_names(char ***ret_names, size_t *ret_count)
{
        _cleanup_free_ char *directory = NULL;
        _cleanup_(closedirp) DIR *dir = NULL;
        struct dirent *entry;
        char **names = NULL, **grown;
        size_t n = 0;

        if (asprintf(&directory, "%s/plugins", libexec_directory()) < 0) {
                directory = NULL;
                return -ENOMEM;
        }
        dir = opendir(directory);
        if (!dir)
                return -errno;
        while ((entry = readdir(dir))) {
                if (entry->d_name[0] == '.')
                        continue;
                grown = reallocarray(names, n + 1, sizeof(*grown));
                if (!grown || !(grown[n] = strdup(entry->d_name))) {
                        names = grown ? grown : names;
                        while (n > 0)
                                free(names[--n]);
                        free(names);
                        return -ENOMEM;
                }
                names = grown;
                n++;
        }
        *ret_names = names;
        *ret_count = n;
        return 0;
}

int capability_run(const char *name, const char *const *arguments)
{
        _cleanup_free_ char *path = program_path(name);
        const char *argv[ARGUMENTS_MAX + 2] = { path };
        int status, r;
        pid_t pid;

        if (!path)
                return EXIT_UNHEALTHY;
        for (size_t i = 0; i < ARGUMENTS_MAX && arguments[i]; i++)
                argv[i + 1] = arguments[i];
        fflush(stdout); /* the child's lines come after ours */
        r = posix_spawn(&pid, path, NULL, NULL, (char *const *)argv, environ);
        if (r != 0) {
                fprintf(stderr, "capi-node: cannot run %s: %s\n", path, strerror(r));
                return EXIT_UNHEALTHY;
        }
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return EXIT_UNHEALTHY;
        if (WIFEXITED(status))
                return WEXITSTATUS(status);
        fprintf(stderr, "capi-node: %s was killed by signal %d (%s)\n", path, WTERMSIG(status),
                strsignal(WTERMSIG(status)));
        return EXIT_UNHEALTHY;
}

int capability_exec(const char *name, char *const *arguments)
{
        _cleanup_free_ char *path = program_path(name);
        _cleanup_free_ const char **argv = NULL;
        size_t n = 0;

        while (arguments[n])
                n++;
        argv = calloc(n + 2, sizeof(*argv));
        if (!path || !argv)
                return EXIT_UNHEALTHY;
        argv[0] = path;
        memcpy(argv + 1, arguments, n * sizeof(*argv));
        execv(path, (char *const *)argv);
        fprintf(stderr, "capi-node: cannot run %s: %s\n", path, strerror(errno));
        return EXIT_UNHEALTHY;
}
