/* Pictures by a formula that the scripts in tests/reference share, and the hash that they write down of answers. */
#ifndef TESTS_PICTURES_H
#define TESTS_PICTURES_H

#include "images/image.h"

/* make_pixel_fixtures.py's picture(); free(rgb). */
struct image picture(int width, int height);
/* FNV-1a, 64 bits. */
uint64_t fnv(const void *bytes, size_t size);

#endif
