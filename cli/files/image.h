/* Pictures: PNG and JPEG into 8-bit pixels, resampling, cropping. */
#ifndef CLAST_CLI_IMAGE_H
#define CLAST_CLI_IMAGE_H

#include <stdint.h>

#include "report.h"

/* Rows of pixels without gaps. channels: 1 grey, 3 RGB, 4 RGBA. */
typedef struct image {
	size_t width, height, channels;
	uint8_t *pixels; /* from malloc */
} image;

/* Grey and colour of 1 to 16 bits a sample, palettes, alpha; colour profiles and EXIF orientation are
 * ignored, as Pillow ignores them. */
CLAST_MUST_CHECK clast_status image_read(const char *path, image *out, problem *p);
void image_free(image *i);
/* A new picture of `channels` channels: alpha is dropped or opaque, grey is ITU-R 601 luma. */
CLAST_MUST_CHECK clast_status image_convert(const image *in, size_t channels, image *out, problem *p);
/* Bilinear with antialias: equals Pillow's Image.resize(size, BILINEAR), and so torchvision's Resize, to the
 * bit. */
CLAST_MUST_CHECK clast_status image_resize(const image *in, size_t width, size_t height, image *out,
					   problem *p);
/* The part of that size in the middle. */
CLAST_MUST_CHECK clast_status image_crop(const image *in, size_t width, size_t height, image *out,
					 problem *p);

#endif
