#include "image.h"

#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <png.h>

enum { MOST_PIXELS = 1 << 28 };

void image_free(image *i)
{
	free(i->pixels);
	*i = (image){ 0 };
}

static clast_status image_create(size_t width, size_t height, size_t channels, const char *path, image *out,
				 problem *p)
{
	*out = (image){ .width = width, .height = height, .channels = channels };
	if (!width || !height || width > MOST_PIXELS || height > MOST_PIXELS / width)
		return problem_set(p, CLAST_ERROR_LIMIT, path, "a picture of %zu x %zu pixels", width,
				   height);
	out->pixels = malloc(width * height * channels);
	return out->pixels ? CLAST_OK
			   : problem_set(p, CLAST_ERROR_MEMORY, path, "no memory for %zu x %zu pixels", width,
					 height);
}

/* ---- PNG ---- */

typedef struct png_job {
	FILE *file;
	const char *path;
	image *out;
	problem *p;
	png_bytep *rows;
	jmp_buf leave;
} png_job;

static void png_failed(png_structp png, png_const_charp message)
{
	png_job *j = png_get_error_ptr(png);
	problem_set(j->p, CLAST_ERROR_IO, j->path, "damaged PNG: %s", message);
	longjmp(j->leave, 1);
}

static void png_warned(png_structp png, png_const_charp message)
{
	(void)png;
	(void)message;
}

static void png_to_8_bits(png_structp png, png_infop info)
{
	const int type = png_get_color_type(png, info);
	png_set_expand(png); /* palettes to RGB, fewer than 8 bits to 8, transparent colours to alpha */
	png_set_scale_16(png);
	if (type & PNG_COLOR_MASK_ALPHA || png_get_valid(png, info, PNG_INFO_tRNS))
		png_set_gray_to_rgb(png);
	png_set_interlace_handling(png);
	png_read_update_info(png, info);
}

static clast_status png_decode(png_job *j, png_structp png, png_infop info)
{
	if (setjmp(j->leave))
		return CLAST_ERROR_IO;
	png_init_io(png, j->file);
	png_read_info(png, info);
	png_to_8_bits(png, info);
	const size_t height = png_get_image_height(png, info);
	const clast_status s = image_create(png_get_image_width(png, info), height,
					    png_get_channels(png, info), j->path, j->out, j->p);
	if (s)
		return s;
	j->rows = malloc(height * sizeof(*j->rows));
	if (!j->rows)
		return problem_set(j->p, CLAST_ERROR_MEMORY, j->path, "out of memory");
	for (size_t y = 0; y < height; y++)
		j->rows[y] = j->out->pixels + y * j->out->width * j->out->channels;
	png_read_image(png, j->rows);
	png_read_end(png, NULL);
	return CLAST_OK;
}

static clast_status read_png(FILE *f, const char *path, image *out, problem *p)
{
	png_job j = { .file = f, .path = path, .out = out, .p = p };
	png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &j, png_failed, png_warned);
	png_infop info = png ? png_create_info_struct(png) : NULL;
	const clast_status s =
		info ? png_decode(&j, png, info) : problem_set(p, CLAST_ERROR_MEMORY, path, "out of memory");
	png_destroy_read_struct(&png, &info, NULL);
	free(j.rows);
	return s;
}

/* ---- JPEG ---- */

typedef struct jpeg_job {
	struct jpeg_error_mgr manager; /* first: libjpeg hands us a pointer to it */
	const char *path;
	problem *p;
	jmp_buf leave;
} jpeg_job;

static void jpeg_failed(j_common_ptr info)
{
	jpeg_job *j = (jpeg_job *)info->err;
	char message[JMSG_LENGTH_MAX];
	info->err->format_message(info, message);
	problem_set(j->p, CLAST_ERROR_IO, j->path, "damaged JPEG: %s", message);
	longjmp(j->leave, 1);
}

static void jpeg_silent(j_common_ptr info)
{
	(void)info;
}

/* Four inks to RGB. Adobe stores them inverted, and so does everybody since. */
static void inks_to_rgb(const uint8_t *inks, size_t width, bool inverted, uint8_t *rgb)
{
	for (size_t x = 0; x < width; x++)
		for (size_t c = 0; c < 3; c++) {
			const unsigned ink = inks[4 * x + c], black = inks[4 * x + 3];
			rgb[3 * x + c] =
				(uint8_t)((inverted ? ink * black : (255 - ink) * (255 - black)) / 255);
		}
}

static clast_status jpeg_decode(struct jpeg_decompress_struct *d, FILE *f, jpeg_job *j, image *out)
{
	if (setjmp(j->leave))
		return CLAST_ERROR_IO;
	jpeg_stdio_src(d, f);
	jpeg_read_header(d, TRUE);
	const bool inks = d->jpeg_color_space == JCS_CMYK || d->jpeg_color_space == JCS_YCCK;
	d->out_color_space = inks ? JCS_CMYK : d->jpeg_color_space == JCS_GRAYSCALE ? JCS_GRAYSCALE : JCS_RGB;
	jpeg_start_decompress(d);
	const size_t channels = d->out_color_space == JCS_GRAYSCALE ? 1 : 3,
		     stride = d->output_width * channels;
	const clast_status s = image_create(d->output_width, d->output_height, channels, j->path, out, j->p);
	if (s)
		return s;
	JSAMPARRAY line = d->mem->alloc_sarray((j_common_ptr)d, JPOOL_IMAGE,
					       d->output_width * (JDIMENSION)d->output_components, 1);
	while (d->output_scanline < d->output_height) {
		uint8_t *row = out->pixels + d->output_scanline * stride;
		jpeg_read_scanlines(d, line, 1);
		if (inks)
			inks_to_rgb(line[0], d->output_width, d->saw_Adobe_marker, row);
		else
			memcpy(row, line[0], stride);
	}
	jpeg_finish_decompress(d);
	return CLAST_OK;
}

static clast_status read_jpeg(FILE *f, const char *path, image *out, problem *p)
{
	jpeg_job j = { .path = path, .p = p };
	struct jpeg_decompress_struct d = { .err = jpeg_std_error(&j.manager) };
	j.manager.error_exit = jpeg_failed;
	j.manager.output_message = jpeg_silent;
	jpeg_create_decompress(&d);
	const clast_status s = jpeg_decode(&d, f, &j, out);
	jpeg_destroy_decompress(&d);
	return s;
}

clast_status image_read(const char *path, image *out, problem *p)
{
	unsigned char head[8] = { 0 };
	*out = (image){ 0 };
	FILE *f = fopen(path, "rb");
	if (!f)
		return problem_set(p, CLAST_ERROR_IO, path, "%s", strerror(errno));
	const size_t n = fread(head, 1, sizeof(head), f);
	clast_status s;
	rewind(f);
	if (n == 8 && !png_sig_cmp(head, 0, 8))
		s = read_png(f, path, out, p);
	else if (n >= 3 && head[0] == 0xff && head[1] == 0xd8 && head[2] == 0xff)
		s = read_jpeg(f, path, out, p);
	else
		s = problem_set(p, CLAST_ERROR_IO, path, "neither a PNG nor a JPEG picture");
	fclose(f);
	if (s)
		image_free(out);
	return s;
}

/* ---- Channels and size ---- */

clast_status image_convert(const image *in, size_t channels, image *out, problem *p)
{
	const clast_status s = image_create(in->width, in->height, channels, NULL, out, p);
	if (s)
		return s;
	for (size_t i = 0; i < in->width * in->height; i++) {
		const uint8_t *from = in->pixels + i * in->channels;
		uint8_t *to = out->pixels + i * channels;
		const uint8_t r = from[0], g = from[in->channels > 1], b = from[in->channels > 1 ? 2 : 0];
		if (channels == 1) { /* 0.299, 0.587, 0.114 in 16-bit fixed point */
			to[0] = in->channels == 1
					? r
					: (uint8_t)((19595u * r + 38470u * g + 7471u * b + 0x8000) >> 16);
			continue;
		}
		to[0] = r;
		to[1] = g;
		to[2] = b;
		if (channels == 4)
			to[3] = in->channels == 4 ? from[3] : 255;
	}
	return CLAST_OK;
}

clast_status image_crop(const image *in, size_t width, size_t height, image *out, problem *p)
{
	if (width > in->width || height > in->height)
		return problem_set(p, CLAST_ERROR_INTERNAL, NULL, "a crop larger than its picture");
	const clast_status s = image_create(width, height, in->channels, NULL, out, p);
	/* Half an odd difference is rounded to even, as Python rounds in torchvision's CenterCrop. */
	const size_t dx = in->width - width, dy = in->height - height;
	const size_t left = dx / 2 + (dx % 4 == 3), top = dy / 2 + (dy % 4 == 3);
	for (size_t y = 0; !s && y < height; y++)
		memcpy(out->pixels + y * width * in->channels,
		       in->pixels + ((top + y) * in->width + left) * in->channels, width * in->channels);
	return s;
}
