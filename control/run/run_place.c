/* run_place.c - user, directories, lock and pid files. */
#include "run_place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

int place_user(struct run_place *place, const char *user, char ret_error[RUN_ERROR_BYTES])
{
    const struct passwd *entry;

    errno = 0;
    entry = getpwnam(user);
    if (entry == NULL) {
        snprintf(ret_error, RUN_ERROR_BYTES,
                 "user %s (runtime.user) does not exist: create it with tools/deps.sh or "
                 "`useradd --system --no-create-home %s`",
                 user, user);
        return -1;
    }
    place->uid = entry->pw_uid;
    place->gid = entry->pw_gid;
    return 0;
}

/* Makes every directory above path's last component that is missing. */
static int make_parents(const char *path)
{
    char part[PATH_MAX];
    size_t n = strlen(path);

    if (n >= sizeof(part))
        return -ENAMETOOLONG;
    memcpy(part, path, n + 1);
    for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(part, 0755) != 0 && errno != EEXIST)
            return -errno;
        *slash = '/';
    }
    return 0;
}

static bool is_empty(int fd)
{
    int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = own >= 0 ? fdopendir(own) : NULL;
    const struct dirent *entry;
    bool empty = dir != NULL;

    if (dir == NULL) {
        if (own >= 0)
            close(own);
        return false;
    }
    while (empty && (entry = readdir(dir)) != NULL)
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    closedir(dir);
    return empty;
}

static int take_directory(const struct run_place *place, int fd, const char *path, mode_t mode,
                          char ret_error[RUN_ERROR_BYTES])
{
    struct stat st;

    if (fstat(fd, &st) != 0) {
        snprintf(ret_error, RUN_ERROR_BYTES, "%s: %s", path, strerror(errno));
        return -1;
    }
    if (st.st_uid == place->uid && (st.st_mode & 07777) == mode)
        return 0;
    /* `directory: /tmp` must not give /tmp away. */
    if (st.st_uid != place->uid && !is_empty(fd)) {
        snprintf(ret_error, RUN_ERROR_BYTES,
                 "%s: exists, is not empty and belongs to user id %u: choose another directory, "
                 "or give it to the edge's user with chown -R",
                 path, (unsigned)st.st_uid);
        return -1;
    }
    if (fchown(fd, place->uid, place->gid) != 0 || fchmod(fd, mode) != 0) {
        snprintf(ret_error, RUN_ERROR_BYTES, "%s: cannot set owner and mode: %s", path,
                 strerror(errno));
        return -1;
    }
    return 0;
}

int place_directory(const struct run_place *place, const char *path, mode_t mode,
                    char ret_error[RUN_ERROR_BYTES])
{
    int fd, rc = make_parents(path);

    if (rc == 0 && mkdir(path, mode) != 0 && errno != EEXIST)
        rc = -errno;
    if (rc != 0) {
        snprintf(ret_error, RUN_ERROR_BYTES, "%s: cannot create the directory: %s", path,
                 strerror(-rc));
        return -1;
    }
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        snprintf(ret_error, RUN_ERROR_BYTES, "%s: %s", path, strerror(errno));
        return -1;
    }
    rc = take_directory(place, fd, path, mode, ret_error);
    close(fd);
    return rc;
}

static long read_pid(int directory)
{
    char text[32] = "";
    int fd = openat(directory, "run.pid", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        return 0;
    n = read(fd, text, sizeof(text) - 1);
    close(fd);
    return n > 0 ? strtol(text, NULL, 10) : 0;
}

int place_open(struct run_place *place, const char *runtime, char ret_error[RUN_ERROR_BYTES])
{
    place->directory = open(runtime, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (place->directory < 0) {
        snprintf(ret_error, RUN_ERROR_BYTES, "%s: %s", runtime, strerror(errno));
        return -1;
    }
    /* The directory itself is the lock: there is no file that somebody could remove. */
    if (flock(place->directory, LOCK_EX | LOCK_NB) == 0)
        return 0;
    snprintf(ret_error, RUN_ERROR_BYTES,
             "another sluice run (pid %ld) uses %s: stop it first, or give this one another "
             "runtime.directory",
             read_pid(place->directory), runtime);
    close(place->directory);
    place->directory = -1;
    return -1;
}

void place_close(struct run_place *place)
{
    if (place->directory >= 0)
        close(place->directory);
    place->directory = -1;
}

int place_write_pid(const struct run_place *place, const char *name, pid_t pid)
{
    char text[32], file[64], draft[64];
    int fd, n = snprintf(text, sizeof(text), "%d\n", (int)pid);
    int rc = 0;

    snprintf(file, sizeof(file), "%s.pid", name);
    snprintf(draft, sizeof(draft), "%s.pid.new", name);
    unlinkat(place->directory, draft, 0);
    fd =
        openat(place->directory, draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return -errno;
    if (fchmod(fd, 0644) != 0 || write(fd, text, (size_t)n) != n)
        rc = errno != 0 ? -errno : -EIO;
    close(fd);
    if (rc == 0 && renameat(place->directory, draft, place->directory, file) != 0)
        rc = -errno;
    if (rc != 0)
        unlinkat(place->directory, draft, 0);
    return rc;
}

void place_remove(const struct run_place *place, const char *name, const char *suffix)
{
    char file[64];

    snprintf(file, sizeof(file), "%s%s", name, suffix);
    unlinkat(place->directory, file, 0);
}
