/* fuzz_policy.c - a policy image with any bytes: policy_open() refuses it, or every look-up
 * stays inside it.
 *
 * The seeds are compiled images.  Magic, size and checksum are put right first, else nothing
 * would come past them.
 */
#include "../harness/policy_walk.h"

#define INPUT_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t room = (size + IMAGE_ALIGN) / IMAGE_ALIGN * IMAGE_ALIGN;
    struct policy p;
    const char *why = NULL;
    uint8_t *image;

    if (size > INPUT_MAX)
        return 0;
    image = aligned_alloc(IMAGE_ALIGN, room);
    if (image == NULL)
        return 0;
    /* The image ends where the block ends, as far as its alignment lets it. */
    if (size > 0)
        memcpy(image, data, size);
    if (size >= sizeof(struct image_header)) {
        struct image_header *h = (struct image_header *)(void *)image;

        h->magic = IMAGE_MAGIC;
        h->abi = IMAGE_ABI;
        h->header_bytes = sizeof(*h);
        h->total_bytes = size;
        h->checksum = image_checksum(image, size);
    }
    if (policy_open(&p, image, size, &why) == 0)
        policy_walk(&p);
    else
        WALK_CHECK(why != NULL && why[0] != '\0');
    free(image);
    return 0;
}
