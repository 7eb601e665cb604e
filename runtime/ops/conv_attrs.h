/* Windows that slide over the spatial axes (all but the first two): attributes of convolutions and pools, and
 * their geometry once the extents are numbers. Inference, references and the lowering all resolve pads and
 * output extents here. */
#ifndef CLAST_CONV_ATTRS_H
#define CLAST_CONV_ATTRS_H

#include "infer.h"

#define MAX_SPATIAL (CLAST_MAX_RANK - 2)

typedef enum auto_pad { PAD_NOTSET, PAD_SAME_UPPER, PAD_SAME_LOWER, PAD_VALID } auto_pad;
extern const char *const auto_pad_names[];

typedef struct window_attrs {
	int_list kernel_shape, strides, dilations, pads;
	int auto_pad;
	bool ceil_mode;
} window_attrs;

/* Rows of an attribute table for a window_attrs member `m` of struct `s`. */
#define WINDOW_ATTRS(s, m, kernel_required, dilations_since)                                                 \
	{ "kernel_shape", ATTR_INTS, offsetof(s, m.kernel_shape), .required = kernel_required },             \
		{ "strides", ATTR_INTS, offsetof(s, m.strides) },                                            \
		{ "pads", ATTR_INTS, offsetof(s, m.pads) },                                                  \
		{ "dilations", ATTR_INTS, offsetof(s, m.dilations), .since = dilations_since },              \
	{                                                                                                    \
		"auto_pad", ATTR_ENUM, offsetof(s, m.auto_pad), .names = auto_pad_names                      \
	}

/* Conv, QLinearConv, ConvInteger */
typedef struct conv_attrs {
	window_attrs window;
	int64_t group;
} conv_attrs;

typedef struct conv_transpose_attrs {
	window_attrs window;
	int64_t group;
	int_list output_padding, output_shape;
} conv_transpose_attrs;

/* Tap k of output position o of spatial axis i reads input position o * stride[i] + k * dilation[i] -
 * pad_begin[i]; positions outside [0, in[i]) are padding. For ConvTranspose tap k of input position p adds to
 * output position p * stride[i] + k * dilation[i] - pad_begin[i]. */
typedef struct conv_geometry {
	int spatial;
	int64_t batch, in_channels, out_channels, group;
	int64_t in[MAX_SPATIAL], out[MAX_SPATIAL], kernel[MAX_SPATIAL], stride[MAX_SPATIAL],
		dilation[MAX_SPATIAL];
	int64_t pad_begin[MAX_SPATIAL], pad_end[MAX_SPATIAL];
} conv_geometry;

/* From the attributes alone, checked: spatial, kernel (0 if the attribute is absent), stride, dilation,
 * explicit pads. */
clast_status window_read(const window_attrs *a, int spatial, conv_geometry *g, clast_diag *d);
/* The kernel of axis i in terms of the weights' extent w, which must agree with the attribute if that was
 * given. */
clast_status window_kernel(const conv_geometry *g, int i, dim w, dim *kernel, clast_diag *d);
/* Output extent of axis i of a convolution or pool; extent and kernel may be symbolic. */
clast_status window_extent(dim_table *t, const window_attrs *a, const conv_geometry *g, int i, dim extent,
			   dim kernel, dim *out, clast_diag *d);
/* The same for ConvTranspose. */
clast_status transpose_extent(dim_table *t, const conv_transpose_attrs *a, const conv_geometry *g, int i,
			      dim extent, dim kernel, dim *out, clast_diag *d);

/* The geometry for concrete dims, checked: x [batch, channels, spatial...], w [out channels, channels /
 * group, kernel...]. */
clast_status conv_geometry_of(const conv_attrs *a, int rank, const int64_t *x, const int64_t *w,
			      conv_geometry *g, clast_diag *d);
/* w is [channels, out channels / group, kernel...]. */
clast_status conv_transpose_geometry_of(const conv_transpose_attrs *a, int rank, const int64_t *x,
					const int64_t *w, conv_geometry *g, clast_diag *d);
/* Pools: kernel from the attributes, out_channels = in_channels. */
clast_status pool_geometry_of(const window_attrs *a, int rank, const int64_t *x, conv_geometry *g,
			      clast_diag *d);

/* Error unless the bias, if there is one, has an element for each channel. */
clast_status infer_channel_vector(const infer_in *in, size_t i, dim channels, clast_diag *d);
/* Error unless the scale or zero point, if there is one, has one element or is a vector of one for each
 * channel. */
clast_status infer_zero_point(const infer_in *in, size_t i, dim channels, clast_diag *d);
/* Shape of a convolution's output (inputs 0 and w_input), shared with the quantised ones. bias_input may be
 * absent. */
clast_status infer_conv_shape(const infer_in *in, size_t w_input, size_t bias_input, shape *out,
			      clast_diag *d);

#endif
