#include "picture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "elements.h"

/* ---- What to do ---- */

static void same_for_all(preprocessing *w, double mean, double deviation)
{
	for (int c = 0; c < 4; c++) {
		w->mean[c] = mean;
		w->deviation[c] = deviation;
	}
}

/* torchvision's constants; a fourth channel is scaled only. */
static void use_imagenet(preprocessing *w)
{
	static const double mean[4] = { 0.485, 0.456, 0.406, 0 }, deviation[4] = { 0.229, 0.224, 0.225, 1 };
	memcpy(w->mean, mean, sizeof(mean));
	memcpy(w->deviation, deviation, sizeof(deviation));
	w->margin = 256.0 / 224.0;
}

static bool parse_numbers(const char *text, preprocessing *w)
{
	double x[7];
	size_t n = 0;
	char *end = NULL;
	while (n < 7) {
		x[n] = strtod(text, &end);
		if (end == text || !isfinite(x[n]))
			return false;
		n++;
		if (*end != ',')
			break;
		text = end + 1;
	}
	if (*end || (n != 2 && n != 6))
		return false;
	if (n == 2)
		same_for_all(w, x[0], x[1]);
	for (size_t c = 0; n == 6 && c < 3; c++) {
		w->mean[c] = x[c];
		w->deviation[c] = x[3 + c];
	}
	return w->deviation[0] != 0 && w->deviation[1] != 0 && w->deviation[2] != 0;
}

clast_status preprocessing_parse(const char *how, const char *fit, clast_dtype dtype, preprocessing *out,
				 problem *p)
{
	*out = (preprocessing){ .stretch = fit && !strcmp(fit, "stretch"), .margin = 1, .scale = 1 / 255.0 };
	same_for_all(out, 0, 1);
	if (!how)
		how = dtype_is_floating(dtype) ? "unit" : "none";
	if (!strcmp(how, "none"))
		out->scale = 1;
	else if (!strcmp(how, "imagenet"))
		use_imagenet(out);
	else if (strcmp(how, "unit") && !parse_numbers(how, out))
		return problem_set(p, CLAST_ERROR_ARGUMENT, NULL,
				   "--preprocess %s: expected imagenet, unit, none, M,S or M,M,M,S,S,S", how);
	return CLAST_OK;
}

/* ---- Where it goes ---- */

typedef struct place {
	int channel, height, width; /* axes */
	size_t channels;
} place;

static bool is_channels(int64_t n)
{
	return n == 1 || n == 3 || n == 4;
}

static bool find_place(const clast_value_info *v, place *at)
{
	const int lead = v->rank - 3;
	if (v->rank != 3 && v->rank != 4)
		return false;
	const int64_t first = v->dims[lead], last = v->dims[lead + 2];
	if (is_channels(first) || (first < 0 && !is_channels(last)))
		*at = (place){ lead, lead + 1, lead + 2, first < 0 ? 3 : (size_t)first };
	else if (is_channels(last))
		*at = (place){ lead + 2, lead, lead + 1, (size_t)last };
	else
		return false;
	return true;
}

bool picture_fits(const clast_value_info *v)
{
	place at;
	return find_place(v, &at) && v->dtype != CLAST_STRING;
}

/* ---- Doing it ---- */

/* The size to resize to so that width x height can be cropped: the edge that binds becomes margin times the
 * wanted one, the other one keeps the proportions, rounded down as in torchvision's Resize. */
static void covering_size(const image *i, size_t width, size_t height, double margin, size_t *new_width,
			  size_t *new_height)
{
	const bool height_binds = height * i->width > width * i->height;
	if (height_binds) {
		*new_height = (size_t)lround((double)height * margin);
		*new_width = *new_height * i->width / i->height;
	} else {
		*new_width = (size_t)lround((double)width * margin);
		*new_height = *new_width * i->height / i->width;
	}
	*new_width = *new_width < width ? width : *new_width;
	*new_height = *new_height < height ? height : *new_height;
}

/* Replaces the picture by one of exactly this size. */
static clast_status bring_to_size(image *i, const preprocessing *how, size_t width, size_t height, problem *p)
{
	size_t w = width, h = height;
	image resized, cropped;
	if (!how->stretch)
		covering_size(i, width, height, how->margin, &w, &h);
	if (w != i->width || h != i->height) {
		const clast_status s = image_resize(i, w, h, &resized, p);
		if (s)
			return s;
		image_free(i);
		*i = resized;
	}
	if (w == width && h == height)
		return CLAST_OK;
	const clast_status s = image_crop(i, width, height, &cropped, p);
	if (s)
		return s;
	image_free(i);
	*i = cropped;
	return CLAST_OK;
}

static void fill(const image *i, const preprocessing *how, bool channels_last, clast_dtype dtype,
		 void *elements)
{
	const size_t pixels = i->width * i->height, channels = i->channels;
	for (size_t c = 0; c < channels; c++)
		for (size_t k = 0; k < pixels; k++) {
			const double x =
				(i->pixels[k * channels + c] * how->scale - how->mean[c]) / how->deviation[c];
			element_put(dtype, elements, channels_last ? k * channels + c : c * pixels + k, x);
		}
}

clast_status picture_read(const char *path, const preprocessing *how, const clast_value_info *v,
			  file_tensor *out, problem *p)
{
	image raw, i = { 0 };
	place at;
	int64_t dims[4] = { 1 };
	*out = (file_tensor){ 0 };
	if (!picture_fits(v) || !find_place(v, &at))
		return problem_set(p, CLAST_ERROR_ARGUMENT, path, "the input \"%s\" does not take a picture",
				   v->name);
	if (v->rank == 4 && v->dims[0] > 1)
		return problem_set(p, CLAST_ERROR_ARGUMENT, path,
				   "the input \"%s\" takes %lld pictures at once: give a tensor", v->name,
				   (long long)v->dims[0]);
	clast_status s = image_read(path, &raw, p);
	if (s)
		return s;
	s = image_convert(&raw, at.channels, &i, p);
	dims[at.channel] = (int64_t)at.channels;
	dims[at.height] = v->dims[at.height] < 0 ? (int64_t)raw.height : v->dims[at.height];
	dims[at.width] = v->dims[at.width] < 0 ? (int64_t)raw.width : v->dims[at.width];
	if (!s)
		s = bring_to_size(&i, how, (size_t)dims[at.width], (size_t)dims[at.height], p);
	if (!s)
		s = clast_tensor_create(v->dtype, (size_t)v->rank, dims, NULL, &out->tensor, &p->diag);
	if (!s)
		fill(&i, how, at.channel > at.width, v->dtype, clast_tensor_data(out->tensor));
	image_free(&raw);
	image_free(&i);
	return problem_in(p, path, s);
}
