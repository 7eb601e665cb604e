/* From a picture to the input of a model: resize, crop, normalise. */
#ifndef CLAST_CLI_PICTURE_H
#define CLAST_CLI_PICTURE_H

#include "image.h"
#include "tensor_file.h"

typedef struct preprocessing {
	bool stretch;  /* change proportions instead of cropping */
	double margin; /* resize to so many times the size that is cropped */
	double scale;  /* x * scale, then (x - mean) / deviation of its channel */
	double mean[4], deviation[4];
} preprocessing;

/* how: "imagenet", "unit", "none", "M,S" or "M,M,M,S,S,S"; NULL: what suits the dtype. fit: "crop", "stretch"
 * or NULL. */
CLAST_MUST_CHECK clast_status preprocessing_parse(const char *how, const char *fit, clast_dtype dtype,
						  preprocessing *out, problem *p);
/* Whether a value has the shape of a picture: [N,]C,H,W or [N,]H,W,C with 1, 3 or 4 channels. */
bool picture_fits(const clast_value_info *v);
/* Reads the file into a tensor for the value; a height or width that the model leaves open is that of the
 * file. */
CLAST_MUST_CHECK clast_status picture_read(const char *path, const preprocessing *how,
					   const clast_value_info *v, file_tensor *out, problem *p);

#endif
