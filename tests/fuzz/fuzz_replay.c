/* fuzz_replay.c - runs a fuzz target over the files of its corpus folder, one TAP line each. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data;
    long size;

    if (f == NULL || fseek(f, 0, SEEK_END) != 0 || (size = ftell(f)) < 0)
        return -1;
    rewind(f);
    /* Exactly the input's size, so that an over-read is seen by the sanitizer. */
    data = malloc(size > 0 ? (size_t)size : 1);
    if (data == NULL || fread(data, 1, (size_t)size, f) != (size_t)size)
        return -1;
    fclose(f);
    LLVMFuzzerTestOneInput(data, (size_t)size);
    free(data);
    return 0;
}

int main(int argc, char **argv)
{
    unsigned ran = 0, failed = 0;
    char path[4096];
    struct dirent *entry;
    DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;

    if (dir == NULL) {
        printf("Bail out! cannot open corpus folder %s\n", argc == 2 ? argv[1] : "(none given)");
        return 1;
    }
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name);
        int rc = replay(path);

        failed += rc != 0;
        printf("%sok %u - %s\n", rc == 0 ? "" : "not ", ++ran, entry->d_name);
    }
    closedir(dir);
    printf("1..%u\n", ran);
    return ran == 0 || failed != 0;
}
