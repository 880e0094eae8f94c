/* compile_image.c - the finished sections laid out, checked as every reader will check them,
 * and sealed. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "compile_build.h"

#define BUCKET_LOAD 4u /* recipients a bucket on average: one cache line */

/* Buckets for n elements, a power of two. */
static uint32_t buckets_for(uint64_t n)
{
    uint32_t buckets = 1;

    while ((uint64_t)buckets * BUCKET_LOAD < n)
        buckets *= 2;
    return buckets;
}

static int by_print(const void *va, const void *vb)
{
    const struct image_print *a = va, *b = vb;

    if (a->a != b->a)
        return a->a < b->a ? -1 : 1;
    return a->b < b->b ? -1 : a->b > b->b;
}

/* Buckets start[b] .. start[b + 1], each sorted and freed of repeats; closes the gaps. */
static uint32_t squeeze(struct image_print *prints, uint32_t *start, uint32_t buckets)
{
    uint32_t out = 0, from = 0;

    for (uint32_t b = 0; b < buckets; b++) {
        uint32_t end = start[b + 1], begun = out;

        if (end - from > 1)
            qsort(prints + from, end - from, sizeof(*prints), by_print);
        for (uint32_t i = from; i < end; i++)
            if (out == begun || by_print(&prints[out - 1], &prints[i]) != 0)
                prints[out++] = prints[i];
        from = end;
        start[b + 1] = out;
    }
    return out;
}

/* Counting sort by bucket, straight into the image.  How many stayed. */
static uint32_t place_prints(const struct build *b, uint32_t *index, uint32_t buckets,
                             struct image_print *prints)
{
    uint32_t sum = 0;

    /* index[i + 1] counts bucket i, then is where the bucket's next element goes. */
    memset(index, 0, ((size_t)buckets + 1) * sizeof(*index));
    for (const struct print_block *block = b->prints; block != NULL; block = block->next)
        for (uint32_t i = 0; i < block->count; i++)
            index[(block->print[i].a & (buckets - 1)) + 1]++;
    for (uint32_t i = 0; i < buckets; i++) {
        uint32_t n = index[i + 1];

        index[i + 1] = sum;
        sum += n;
    }
    for (const struct print_block *block = b->prints; block != NULL; block = block->next)
        for (uint32_t i = 0; i < block->count; i++)
            prints[index[(block->print[i].a & (buckets - 1)) + 1]++] = block->print[i];
    return squeeze(prints, index, buckets);
}

static uint64_t aligned(uint64_t n)
{
    return (n + IMAGE_ALIGN - 1) / IMAGE_ALIGN * IMAGE_ALIGN;
}

/* Gives each section its place; the recipients come last, for repeats make them fewer.
 * Returns the bytes in all, at most. */
static uint64_t lay_out(struct build *b, uint32_t buckets)
{
    uint64_t at = aligned(sizeof(b->header));

    for (unsigned s = 0; s < SECTIONS; s++) {
        struct image_extent *e = &b->header.section[s];

        if (s == SECTION_RECIPIENTS)
            continue;
        e->offset = at;
        e->count = s == SECTION_RECIPIENT_INDEX ? buckets + 1u : b->section[s].count;
        at = aligned(at + e->count * image_element_bytes[s]);
    }
    b->header.section[SECTION_RECIPIENTS] = (struct image_extent){.offset = at};
    return at + b->prints_count * sizeof(struct image_print);
}

static uint64_t fill(struct build *b, uint8_t *image, uint32_t buckets)
{
    struct image_extent *recipients = &b->header.section[SECTION_RECIPIENTS];
    uint32_t *index =
        (uint32_t *)(void *)(image + b->header.section[SECTION_RECIPIENT_INDEX].offset);

    for (unsigned s = 0; s < SECTIONS; s++)
        if (b->section[s].count > 0)
            memcpy(image + b->header.section[s].offset, b->section[s].ptr,
                   b->section[s].count * image_element_bytes[s]);
    recipients->count =
        place_prints(b, index, buckets, (struct image_print *)(void *)(image + recipients->offset));
    b->header.total_bytes = recipients->offset + recipients->count * sizeof(struct image_print);
    memcpy(image, &b->header, sizeof(b->header));
    b->header.checksum = image_checksum(image, b->header.total_bytes);
    memcpy(image, &b->header, sizeof(b->header));
    return b->header.total_bytes;
}

/* The reader's own check is the last word on what is written. */
static int check(struct build *b, const uint8_t *image, uint64_t bytes)
{
    struct policy policy;
    const char *why;

    if (policy_open(&policy, image, bytes, &why) == 0)
        return 0;
    conf_error_add(b->error, NULL,
                   "the compiled policy does not stand its own check (%s); report "
                   "this as a bug, with the configuration",
                   why);
    return -EINVAL;
}

int build_image(struct build *b, struct compile_result *ret)
{
    uint32_t buckets = buckets_for(b->prints_count);
    uint64_t most = lay_out(b, buckets), bytes = most;
    uint8_t *image = MAP_FAILED;
    int fd = memfd_create("sluice-policy", MFD_CLOEXEC | MFD_ALLOW_SEALING), rc = 0;

    if (fd < 0)
        return -errno;
    if (ftruncate(fd, (off_t)most) != 0)
        rc = -errno;
    else if ((image = mmap(NULL, most, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) == MAP_FAILED)
        rc = -errno;
    if (image != MAP_FAILED) {
        bytes = fill(b, image, buckets);
        rc = check(b, image, bytes);
        munmap(image, most);
    }
    if (rc == 0 && ftruncate(fd, (off_t)bytes) != 0)
        rc = -errno;
    if (rc == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0)
        rc = -errno;
    if (rc != 0) {
        close(fd);
        return rc;
    }
    *ret = (struct compile_result){.fd = fd,
                                   .bytes = bytes,
                                   .generation = b->header.generation,
                                   .rules = build_count(b, SECTION_RULES),
                                   .domains = build_count(b, SECTION_DOMAINS),
                                   .recipients =
                                       (uint32_t)b->header.section[SECTION_RECIPIENTS].count};
    return 0;
}
