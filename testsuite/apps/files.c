// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Works in the directory ARGV[1], which the caller gave it with --dir: writes, appends, seeks,
// reads back, lists, renames, removes, and meets the usual errors.

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char path[2][256];

static const char *in(int slot, const char *directory, const char *name)
{
    snprintf(path[slot], sizeof path[slot], "%s/%s", directory, name);
    return path[slot];
}

// Prints what was done and how it went.
static int did(const char *what, int result)
{
    printf("%s: %s\n", what, result >= 0 ? "ok" : strerror(errno));
    return result;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list(const char *directory)
{
    char *names[32];
    size_t count = 0;
    DIR *open = opendir(directory);
    if (!open) {
        did("list", -1);
        return;
    }
    for (struct dirent *entry; count < 32 && (entry = readdir(open));)
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
            names[count++] = strdup(entry->d_name);
    closedir(open);
    qsort(names, count, sizeof *names, by_name);
    printf("list:");
    for (size_t i = 0; i < count; i++)
        printf(" %s", names[i]);
    printf("\n");
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: files DIRECTORY\n");
        return 2;
    }
    const char *here = argv[1];
    list(here);

    FILE *file = fopen(in(0, here, "notes.txt"), "w+");
    did("create", file ? 0 : -1);
    if (!file)
        return 1;
    for (int i = 0; i < 1000; i++)
        fprintf(file, "line %d\n", i);
    did("write", fflush(file));
    printf("position %ld\n", ftell(file));
    did("seek", fseek(file, -9, SEEK_END));
    char line[64];
    printf("read: %s", fgets(line, sizeof line, file) ? line : "nothing\n");
    fclose(file);

    file = fopen(in(0, here, "notes.txt"), "a");
    fprintf(file, "the end\n");
    did("append", fclose(file));
    struct stat facts;
    did("stat", stat(in(0, here, "notes.txt"), &facts));
    printf("size %lld, %s\n", (long long)facts.st_size,
           S_ISREG(facts.st_mode) ? "regular" : "not regular");

    did("mkdir", mkdir(in(0, here, "folder"), 0777));
    did("mkdir again", mkdir(in(0, here, "folder"), 0777));
    did("rename", rename(in(0, here, "notes.txt"), in(1, here, "folder/moved.txt")));
    list(here);
    list(in(0, here, "folder"));
    did("rmdir of a full folder", rmdir(in(0, here, "folder")));
    did("unlink", unlink(in(0, here, "folder/moved.txt")));
    did("rmdir", rmdir(in(0, here, "folder")));
    did("open of what is not there", open(in(0, here, "notes.txt"), O_RDONLY));
    did("open outside", open("/etc/passwd", O_RDONLY));
    did("open above", open(in(0, here, "../escape"), O_RDONLY));
    list(here);
    return 0;
}
