#ifndef CLAST_LOWER_PATCHES_H
#define CLAST_LOWER_PATCHES_H

#include "conv_attrs.h"
#include "lower.h"

/* A ConvTranspose that spreads input pixels over patches of the output, see patches.c; CLAST_ERROR_UNSUPPORTED, with nothing emitted, if
 * it is none. */
clast_status lower_patches(lowering *l, const conv_geometry *g);

#endif
