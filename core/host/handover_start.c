/* SPDX-License-Identifier: MIT */
/* The processes of a handover: the one that is started, and its end. */
#include <config.h>

#include "handover.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* "PARENT:DESCRIPTOR". */
#define VARIABLE "INGESTLAYER_HANDOVER"
/* Where the new one finds its end. */
#define PLACE 3
#define ARGUMENTS 15
#define LOOK_MS 10

/* As it was started, word by word: a name that is looked up, or a link that leads
 * elsewhere by now, is what the new one is to be found by. */
static struct {
    char text[8192];
    char *words[ARGUMENTS + 1];
} program;

void
handover_note_program(void)
{
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, program.text, sizeof(program.text) - 1);
    size_t count = 0;
    if (fd >= 0)
        close(fd);
    if (n <= 0 || n == sizeof(program.text) - 1)
        return;
    program.text[n] = 0;
    for (char *p = program.text; p < program.text + n && count < ARGUMENTS;
         p += strlen(p) + 1)
        program.words[count++] = p;
}

const char *
handover_program(void)
{
    return program.words[0] ? program.words[0]
                            : "a program that /proc does not name";
}

/* Of this process's, without what is meant for it alone; NULL: no memory. */
static char **
environment(char *variable)
{
    static const char *const own[] = { VARIABLE "=",
                                       "WATCHDOG_PID=", "LISTEN_PID=",
                                       "LISTEN_FDS=", "LISTEN_FDNAMES=" };
    size_t n = 0, count = 0;
    while (environ[n])
        n++;
    char **out = malloc((n + 2) * sizeof(*out));
    for (size_t i = 0; out && i < n; i++) {
        int is_own = 0;
        for (size_t k = 0; k < sizeof(own) / sizeof(*own); k++)
            is_own |= !strncmp(environ[i], own[k], strlen(own[k]));
        if (!is_own)
            out[count++] = environ[i];
    }
    if (out) {
        out[count++] = variable;
        out[count] = NULL;
    }
    return out;
}

/* Signals as any process begins with them: those of the daemon are blocked in
 * all its threads. */
static int
spawn(int fd, pid_t *pid)
{
    char variable[64];
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none;
    snprintf(variable, sizeof(variable), VARIABLE "=%ld:%d", (long) getpid(),
             PLACE);
    char **env = environment(variable);
    if (!env)
        return -ENOMEM;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setsigmask(&attr, &none);
    int err = posix_spawn_file_actions_adddup2(&files, fd, PLACE);
    if (!err)
        err = posix_spawnp(pid, program.words[0], &files, &attr, program.words,
                           env);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    free(env);
    return -err;
}

int
handover_start(struct handover *h, pid_t *pid)
{
    int ends[2];
    if (!program.words[0])
        return -ENOENT;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
        return -errno;
    int err = spawn(ends[1], pid);
    close(ends[1]);
    if (err) {
        close(ends[0]);
        return err;
    }
    err = handover_open(h, ends[0]);
    if (err)
        handover_end(*pid, 0, NULL, 0);
    return err;
}

int
handover_inherit(struct handover *h)
{
    const char *text = getenv(VARIABLE);
    long parent;
    int fd;
    if (!text)
        return 0;
    int is_ours = sscanf(text, "%ld:%d", &parent, &fd) == 2
                  && parent == (long) getppid() && fd > STDERR_FILENO;
    unsetenv(VARIABLE);
    if (!is_ours) {
        log_error("the daemon that has started this one is gone");
        return -ESRCH;
    }
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    int err = handover_open(h, fd);
    return err ? err : 1;
}

void
handover_end(pid_t pid, int grace_ms, char *why, size_t size)
{
    int status;
    pid_t rc = waitpid(pid, &status, WNOHANG);
    for (; rc == 0 && grace_ms > 0; grace_ms -= LOOK_MS) {
        poll(NULL, 0, LOOK_MS);
        rc = waitpid(pid, &status, WNOHANG);
    }
    if (rc == 0)
        kill(pid, SIGKILL);
    while (rc == 0 || (rc < 0 && errno == EINTR))
        rc = waitpid(pid, &status, 0);
    if (rc != pid)
        return;
    if (WIFEXITED(status))
        snprintf(why, size, "ended with exit code %d", WEXITSTATUS(status));
    else
        snprintf(why, size, "was ended by signal %d", WTERMSIG(status));
}
