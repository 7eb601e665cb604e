/* Copies the taps of output pixels side by side, so that a convolution becomes a product of matrices. */
#ifndef CPU_CONV_COLLECT_H
#define CPU_CONV_COLLECT_H

#include "conv/spatial.h"

/* Up to this many input channels, lines of the image are first copied with zeros on both sides and channels
 * innermost: that costs little, and what remains are dense runs without borders, also from `first` order. */
#define FEW_CHANNELS 4

typedef struct collector {
	const conv_params *p;
	const float *in;      /* the image, at the first channel of the group */
	ptrdiff_t in_channel; /* stride */
	bool few;             /* channels */
	bool kept;            /* copied lines that meet lie at one distance, see collected_lines */
	/* Lines as they are read: the image's, or the copies in scratch. */
	ptrdiff_t pixel;          /* between columns */
	size_t left, line_floats; /* zeros before column 0 and floats of a copied line */
	float *lines;
	size_t *held;       /* which line of the image each copy holds, plus 1 */
	const float **rows; /* for each row of taps its line at column 0, NULL if outside */
} collector;

/* Floats between the rows of the result: room for k floats and a vector too many, and an odd number of cache
 * lines, so that neighbours do not share a set of the first-level cache. */
ALWAYS_INLINE size_t collected_row(size_t k)
{
	return (div_up(k + VEC, 16) | 1) * 16;
}

/* Takes its part of scratch; see scratch_part. kept: only collected_lines will be asked for. */
#define collector_make ISA(collector_make)
collector collector_make(const conv_params *p, bool kept, char *scratch, size_t *used);

/* Whether few channels, one slice of depth and no dilation allow collected_lines. */
#define collector_keeps ISA(collector_keeps)
bool collector_keeps(const conv_params *p);

/* The first tap of output pixel `at`; that of the next pixel lies `stride` input pixels further, the taps of a
 * row side by side, and the next row of taps line_floats further, zeros where they are outside. */
#define collected_lines ISA(collected_lines)
const float *collected_lines(collector *c, const pixel *at);

/* Sets the image; forgets lines of another one. */
#define collector_image ISA(collector_image)
void collector_image(collector *c, const float *in);

/* Collects the elements [k_begin, k_end) of the taps (all channels of a tap, taps in the order of depth, row,
 * column) of `count` pixels from `at` on, over lines and images; the rows of the result are to_row floats
 * apart. */
#define collect ISA(collect)
void collect(collector *c, pixel at, size_t count, size_t k_begin, size_t k_end, float *to, size_t to_row);

#endif
