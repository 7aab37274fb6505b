/* watchd: what `make watch` shows. Each byte that comes in on /dev/hvc0 is answered there with the files of
 * /proc that it takes, a head line each: their length and name. Until one comes it sleeps; without the device
 * it ends at once. */
#include <tine.h>

static int line;
static bool put(const char *text, size_t n) {
    while (n) {
        ssize_t w = write(line, text, n);
        if (w <= 0)
            return false;
        text += w, n -= w;
    }
    return true;
}
static bool send_file(const char *path) {
    size_t n;
    char head[320], *text = slurp(path, &n);
    if (!text) /* its task has ended */
        return true;
    bool good = put(head, snprintf(head, sizeof(head), "%zu %s\n", n, path)) && put(text, n);
    free(text);
    return good;
}
static bool send_tasks(const char *folder, bool threads) {
    bool good = true;
    DIR *d = opendir(folder);
    struct dirent *e;
    while (d && good && (e = readdir(d))) {
        char path[320];
        if (!isdigit((unsigned char)*e->d_name))
            continue;
        snprintf(path, sizeof(path), threads ? "%s/%s/task" : "%s/%s/stat", folder, e->d_name);
        good = threads ? send_tasks(path, false) : send_file(path);
    }
    if (d)
        closedir(d);
    return good;
}

int main(int argc, char **argv) {
    static const char *const files[] = {"/proc/uptime", "/proc/loadavg", "/proc/stat", "/proc/meminfo"};
    if (options(argc, argv, "", "watchd") != -1)
        return 2;
    if ((line = open("/dev/hvc0", O_RDWR | O_CLOEXEC)) < 0)
        return 0;
    signal(SIGHUP, SIG_IGN); /* /etc/rc's end may come before setsid */
    pid_t pid = fork();      /* it goes on when /etc/rc has ended, and no terminal ends it */
    if (pid)
        return pid < 0;
    setsid();
    char byte[64];
    while (read(line, byte, sizeof(byte)) > 0) {
        bool good = true;
        for (unsigned i = 0; i < sizeof(files) / sizeof(*files); i++)
            good = good && send_file(files[i]);
        if (!good || !send_tasks("/proc", true) || !put("0 end\n", 6))
            break;
    }
    warn("/dev/hvc0");
    return 1;
}
