/*
 * PID 1 of a test machine: answers one line at a time on the guest channel, so that the VMM driver can be tested
 * without the agent. Every answer ends with a line that holds a single dot.
 *
 *   cat PATH          what is in a file
 *   disk SERIAL       waits for the disk with this serial and shows its first line
 *   write SERIAL TEXT writes TEXT to the start of a disk, flushed
 *   drop SERIAL       deletes a hot-added disk, as releaseDisk does
 *   console N         writes N KiB to the console, then "the end"
 *   touch N           takes N MiB of memory and gives them back
 *   random            16 bytes of getrandom()
 *   off | panic       ends the machine
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

static void send_all(int channel, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t sent = write(channel, bytes, length);
        if (sent < 0 && errno != EINTR && errno != EAGAIN)
            return;
        if (sent > 0) {
            bytes += sent;
            length -= (size_t)sent;
        }
    }
}

__attribute__((format(printf, 2, 3))) static void say(int channel, const char *format, ...)
{
    char text[8192];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    send_all(channel, text, length < (int)sizeof text ? (size_t)length : sizeof text - 1);
}

static void read_text(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? 0 : read(fd, text, size - 1);
    text[length > 0 ? length : 0] = 0;
    if (fd >= 0)
        close(fd);
}

/* A kernel of a distribution has its drivers as modules, in the order of /modules/order. */
static void load_modules(void)
{
    char names[4096];
    read_text("/modules/order", names, sizeof names);
    for (char *name = strtok(names, "\n"); name != NULL; name = strtok(NULL, "\n")) {
        char path[256];
        snprintf(path, sizeof path, "/modules/%s", name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || syscall(SYS_finit_module, fd, "", 0) < 0)
            printf("module %s: %m\n", name);
        if (fd >= 0)
            close(fd);
    }
}

static int open_channel(void)
{
    for (;;) {
        DIR *ports = opendir("/sys/class/virtio-ports");
        struct dirent *port;
        while (ports != NULL && (port = readdir(ports)) != NULL) {
            char path[512], name[64];
            snprintf(path, sizeof path, "/sys/class/virtio-ports/%s/name", port->d_name);
            read_text(path, name, sizeof name);
            if (strncmp(name, "dvm.agent", 9) != 0)
                continue;
            snprintf(path, sizeof path, "/dev/%s", port->d_name);
            closedir(ports);
            return open(path, O_RDWR | O_CLOEXEC);
        }
        if (ports != NULL)
            closedir(ports);
        poll(NULL, 0, 2);
    }
}

/* Finds /dev/sdX by its serial, which stands in page 0x80 after four bytes; fails after two seconds. */
static int find_disk(const char *serial, char *name, size_t size)
{
    for (int attempt = 0; attempt < 1000; attempt++) {
        DIR *disks = opendir("/sys/block");
        struct dirent *disk;
        while (disks != NULL && (disk = readdir(disks)) != NULL) {
            char path[512], page[64] = "";
            snprintf(path, sizeof path, "/sys/block/%s/device/vpd_pg80", disk->d_name);
            int fd = open(path, O_RDONLY | O_CLOEXEC);
            ssize_t length = fd < 0 ? 0 : read(fd, page, sizeof page - 1);
            if (fd >= 0)
                close(fd);
            if (length > 4 && strlen(serial) == (size_t)length - 4 && memcmp(page + 4, serial, (size_t)length - 4) == 0) {
                snprintf(name, size, "%s", disk->d_name);
                closedir(disks);
                return 0;
            }
        }
        if (disks != NULL)
            closedir(disks);
        poll(NULL, 0, 2);
    }
    return -1;
}

static void show_disk(int channel, const char *serial)
{
    char name[256], path[512], text[513] = "";
    if (find_disk(serial, name, sizeof name) < 0) {
        say(channel, "no disk %s\n.\n", serial);
        return;
    }
    snprintf(path, sizeof path, "/dev/%s", name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, text, 512) < 0)
        say(channel, "%s: %s\n.\n", serial, strerror(errno));
    else
        say(channel, "%s\n.\n", strtok(text, "\n") ? text : "");
    if (fd >= 0)
        close(fd);
}

static void write_disk(int channel, char *arguments)
{
    char name[256], path[512], block[512] = "";
    char *serial = strtok(arguments, " "), *text = strtok(NULL, "");
    if (serial == NULL || text == NULL || find_disk(serial, name, sizeof name) < 0) {
        say(channel, "no disk\n.\n");
        return;
    }
    snprintf(path, sizeof path, "/dev/%s", name);
    snprintf(block, sizeof block, "%s\n", text);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    int failed = fd < 0 || write(fd, block, sizeof block) < 0 || fsync(fd) < 0;
    say(channel, "%s\n.\n", failed ? strerror(errno) : "written");
    if (fd >= 0)
        close(fd);
}

static void drop_disk(int channel, const char *serial)
{
    char name[256], path[512];
    int found = find_disk(serial, name, sizeof name);
    snprintf(path, sizeof path, "/sys/block/%s/device/delete", name);
    int fd = found < 0 ? -1 : open(path, O_WRONLY | O_CLOEXEC);
    say(channel, "%s\n.\n", fd >= 0 && write(fd, "1", 1) == 1 ? "dropped" : "no disk");
    if (fd >= 0)
        close(fd);
}

static void flood_console(int channel, int kilobytes)
{
    char line[1024];
    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = '\n';
    for (int i = 0; i < kilobytes; i++)
        fwrite(line, sizeof line, 1, stdout);
    printf("the end\n");
    fflush(stdout);
    say(channel, "written\n.\n");
}

static void touch_memory(int channel, size_t megabytes)
{
    char *memory = mmap(NULL, megabytes << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        say(channel, "%s\n.\n", strerror(errno));
        return;
    }
    for (size_t i = 0; i < megabytes << 20; i += 4096)
        memory[i] = 1;
    munmap(memory, megabytes << 20);
    say(channel, "touched\n.\n");
}

static void answer(int channel, char *line)
{
    char text[7000];
    if (strncmp(line, "cat ", 4) == 0) {
        read_text(line + 4, text, sizeof text);
        say(channel, "%s\n.\n", text);
    } else if (strncmp(line, "disk ", 5) == 0) {
        show_disk(channel, line + 5);
    } else if (strncmp(line, "write ", 6) == 0) {
        write_disk(channel, line + 6);
    } else if (strncmp(line, "drop ", 5) == 0) {
        drop_disk(channel, line + 5);
    } else if (strncmp(line, "console ", 8) == 0) {
        flood_console(channel, atoi(line + 8));
    } else if (strncmp(line, "touch ", 6) == 0) {
        touch_memory(channel, (size_t)atoi(line + 6));
    } else if (strcmp(line, "random") == 0) {
        unsigned char bytes[16];
        if (getrandom(bytes, sizeof bytes, 0) == sizeof bytes)
            for (size_t i = 0; i < sizeof bytes; i++)
                say(channel, "%02x", bytes[i]);
        say(channel, "\n.\n");
    } else if (strcmp(line, "off") == 0) {
        printf("powering off\n");
        reboot(RB_AUTOBOOT);
    } else if (strcmp(line, "panic") == 0) {
        exit(1); /* of PID 1 */
    } else {
        say(channel, "what is \"%s\"?\n.\n", line);
    }
}

int main(void)
{
    mount("proc", "/proc", "proc", 0, NULL);
    mount("sys", "/sys", "sysfs", 0, NULL);
    mount("dev", "/dev", "devtmpfs", 0, NULL);
    load_modules();
    if (freopen("/dev/console", "w", stdout) == NULL || dup2(1, 2) < 0)
        return 1;
    printf("the guest is up\n");
    fflush(stdout);
    int channel = open_channel();
    say(channel, "ready\n.\n");
    char line[4096];
    size_t length = 0;
    for (;;) {
        ssize_t got = read(channel, line + length, sizeof line - 1 - length);
        if (got <= 0) { /* nobody is connected: the port says so until somebody is */
            poll(NULL, 0, 10);
            continue;
        }
        length += (size_t)got;
        line[length] = 0;
        char *end = strchr(line, '\n');
        if (end == NULL)
            continue;
        *end = 0;
        answer(channel, line);
        length = 0;
    }
}
