#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <png.h>

#include "elements.h"
#include "picture.h"
#include "program.h"

static image pattern(size_t width, size_t height, size_t channels)
{
	image i = { width, height, channels, malloc(width * height * channels) };
	for (size_t y = 0; y < height; y++)
		for (size_t x = 0; x < width; x++)
			for (size_t c = 0; c < channels; c++)
				i.pixels[(y * width + x) * channels + c] =
					(uint8_t)(x * x * 3 + y * 7 + c * 50 + x * y);
	return i;
}

/* ---- Resampling: expected values are those of Pillow 9.4 ---- */

Test(resize, small_pictures_equal_pillow)
{
	static const uint8_t down[] = { 6, 33, 84, 15, 44, 98, 24, 56, 112, 33, 68, 127 };
	static const uint8_t mixed[] = { 0,   2,   7,   15,  27, 43, 63,  86,  108, 5,   8,   13,  23,  35,
					 51,  72,  95,  118, 11, 14, 20,  30,  43,  60,  81,  106, 129, 17,
					 20,  27,  38,  51,  70, 91, 116, 139, 23,  27,  34,  45,  60,  79,
					 101, 126, 150, 28,  33, 41, 52,  67,  86,  109, 135, 160 };
	image in = pattern(7, 5, 1), out;
	problem p = { 0 };
	cr_assert_eq(image_resize(&in, 3, 4, &out, &p), CLAST_OK);
	cr_expect_arr_eq(out.pixels, down, sizeof(down));
	image_free(&out);
	cr_assert_eq(image_resize(&in, 9, 6, &out, &p), CLAST_OK);
	cr_expect_arr_eq(out.pixels, mixed, sizeof(mixed));
	image_free(&out);
	image_free(&in);
}

Test(resize, large_pictures_equal_pillow)
{
	static const struct {
		size_t width, height, to_width, to_height;
		uint64_t hash; /* FNV-1a */
	} cases[] = { { 100, 75, 32, 24, UINT64_C(0xb20cc5b05f5ee6be) },
		      { 33, 21, 256, 256, UINT64_C(0xd9bf7a80f679b51c) },
		      { 640, 480, 224, 224, UINT64_C(0x8af766ff1f044bc0) } };
	for (size_t k = 0; k < sizeof(cases) / sizeof(*cases); k++) {
		image in = pattern(cases[k].width, cases[k].height, 3), out;
		problem p = { 0 };
		uint64_t hash = UINT64_C(0xcbf29ce484222325);
		cr_assert_eq(image_resize(&in, cases[k].to_width, cases[k].to_height, &out, &p), CLAST_OK);
		for (size_t i = 0; i < out.width * out.height * 3; i++)
			hash = (hash ^ out.pixels[i]) * UINT64_C(0x100000001b3);
		cr_expect_eq(hash, cases[k].hash, "%zu x %zu", cases[k].width, cases[k].height);
		image_free(&out);
		image_free(&in);
	}
}

Test(convert, grey_is_luma_and_alpha_is_dropped)
{
	static const uint8_t luma[] = { 41, 44, 53, 68, 48, 52, 62, 78 }; /* Pillow's convert("L") */
	image in = pattern(4, 2, 3), grey, rgba, rgb;
	problem p = { 0 };
	cr_assert_eq(image_convert(&in, 1, &grey, &p), CLAST_OK);
	cr_expect_arr_eq(grey.pixels, luma, sizeof(luma));
	cr_assert_eq(image_convert(&in, 4, &rgba, &p), CLAST_OK);
	cr_expect_eq(rgba.pixels[7], 255);
	cr_assert_eq(image_convert(&rgba, 3, &rgb, &p), CLAST_OK);
	cr_expect_arr_eq(rgb.pixels, in.pixels, 24);
	image_free(&in);
	image_free(&grey);
	image_free(&rgba);
	image_free(&rgb);
}

Test(crop, takes_the_middle_and_rounds_halves_to_even)
{
	static const size_t widths[][2] = { { 7, 4 }, { 9, 4 }, { 8, 4 }, { 5, 4 } },
			    lefts[] = { 2, 2, 2, 0 };
	for (size_t k = 0; k < 4; k++) {
		image in = pattern(widths[k][0], 1, 1), out;
		problem p = { 0 };
		cr_assert_eq(image_crop(&in, widths[k][1], 1, &out, &p), CLAST_OK);
		cr_expect_arr_eq(out.pixels, in.pixels + lefts[k], widths[k][1], "%zu", widths[k][0]);
		image_free(&in);
		image_free(&out);
	}
}

/* ---- Files ---- */

static void write_png(const char *path, int width, int height, int bits, int type, png_bytep *rows,
		      png_color *palette)
{
	FILE *f = fopen(path, "wb");
	png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
	png_infop info = png_create_info_struct(png);
	png_init_io(png, f);
	png_set_IHDR(png, info, (png_uint_32)width, (png_uint_32)height, bits, type, PNG_INTERLACE_NONE,
		     PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
	if (palette)
		png_set_PLTE(png, info, palette, 4);
	png_write_info(png, info);
	png_write_image(png, rows);
	png_write_end(png, info);
	png_destroy_write_struct(&png, &info);
	fclose(f);
}

static image read_back(const char *path)
{
	image i;
	problem p = { 0 };
	cr_assert_eq(image_read(path, &i, &p), CLAST_OK, "%s", p.diag.message);
	return i;
}

Test(png, every_kind_becomes_8_bits)
{
	const char *folder = make_folder(), *path = in_folder(folder, "a.png");
	unsigned char grey1[] = { 0x80 }, palette2[] = { 0x1b }, grey16[] = { 0x80, 0x80, 0xff, 0xff },
		      rgba[] = { 1, 2, 3, 4, 5, 6, 7, 8 }, grey_alpha[] = { 9, 255, 8, 0 };
	png_color colours[4] = { { 1, 2, 3 }, { 4, 5, 6 }, { 7, 8, 9 }, { 10, 11, 12 } };
	write_png(path, 2, 1, 1, PNG_COLOR_TYPE_GRAY, (png_bytep[]){ grey1 }, NULL);
	image i = read_back(path);
	cr_expect(i.channels == 1 && i.pixels[0] == 255 && i.pixels[1] == 0);
	image_free(&i);
	write_png(path, 4, 1, 2, PNG_COLOR_TYPE_PALETTE, (png_bytep[]){ palette2 }, colours);
	i = read_back(path);
	cr_expect(i.channels == 3 && i.pixels[3] == 4 && i.pixels[11] == 12);
	image_free(&i);
	write_png(path, 2, 1, 16, PNG_COLOR_TYPE_GRAY, (png_bytep[]){ grey16 }, NULL);
	i = read_back(path);
	cr_expect(i.channels == 1 && i.pixels[0] == 128 && i.pixels[1] == 255);
	image_free(&i);
	write_png(path, 2, 1, 8, PNG_COLOR_TYPE_RGBA, (png_bytep[]){ rgba }, NULL);
	i = read_back(path);
	cr_expect(i.channels == 4 && !memcmp(i.pixels, rgba, 8));
	image_free(&i);
	write_png(path, 2, 1, 8, PNG_COLOR_TYPE_GRAY_ALPHA, (png_bytep[]){ grey_alpha }, NULL);
	i = read_back(path);
	cr_expect(i.channels == 4 && i.pixels[2] == 9 && i.pixels[7] == 0);
	image_free(&i);
	remove_folder(folder);
}

static void write_jpeg(const char *path, const image *i, J_COLOR_SPACE space)
{
	struct jpeg_compress_struct c;
	struct jpeg_error_mgr errors;
	FILE *f = fopen(path, "wb");
	c.err = jpeg_std_error(&errors);
	jpeg_create_compress(&c);
	jpeg_stdio_dest(&c, f);
	c.image_width = (JDIMENSION)i->width;
	c.image_height = (JDIMENSION)i->height;
	c.input_components = (int)i->channels;
	c.in_color_space = space;
	jpeg_set_defaults(&c);
	jpeg_set_quality(&c, 100, TRUE);
	jpeg_start_compress(&c, TRUE);
	while (c.next_scanline < c.image_height) {
		JSAMPROW row = i->pixels + c.next_scanline * i->width * i->channels;
		jpeg_write_scanlines(&c, &row, 1);
	}
	jpeg_finish_compress(&c);
	jpeg_destroy_compress(&c);
	fclose(f);
}

Test(jpeg, grey_colour_and_inks)
{
	const char *folder = make_folder(), *path = in_folder(folder, "a.jpg");
	image flat = { 16, 16, 3, malloc(16 * 16 * 4) };
	for (size_t k = 0; k < 256; k++)
		memcpy(flat.pixels + 3 * k, (uint8_t[]){ 200, 100, 50 }, 3);
	write_jpeg(path, &flat, JCS_RGB);
	image i = read_back(path);
	cr_expect(i.channels == 3 && abs(i.pixels[0] - 200) < 4 && abs(i.pixels[1] - 100) < 4 &&
		  abs(i.pixels[2] - 50) < 4);
	image_free(&i);
	memset(flat.pixels, 77, 256);
	flat.channels = 1;
	write_jpeg(path, &flat, JCS_GRAYSCALE);
	i = read_back(path);
	cr_expect(i.channels == 1 && abs(i.pixels[0] - 77) < 3);
	image_free(&i);
	flat.channels = 4; /* libjpeg writes an Adobe marker: inks are inverted, 255 is none */
	for (size_t k = 0; k < 256; k++)
		memcpy(flat.pixels + 4 * k, (uint8_t[]){ 255, 128, 0, 255 }, 4);
	write_jpeg(path, &flat, JCS_CMYK);
	i = read_back(path);
	cr_expect(i.channels == 3 && i.pixels[0] > 250 && abs(i.pixels[1] - 128) < 4 && i.pixels[2] < 5);
	image_free(&i);
	image_free(&flat);
	remove_folder(folder);
}

Test(image, damaged_files_are_refused)
{
	const char *folder = make_folder(), *path = in_folder(folder, "a");
	static const char *const kinds[] = { "a.png", "a.jpg" };
	for (int k = 0; k < 2; k++) {
		const char *whole = in_folder(folder, kinds[k]);
		image in = pattern(9, 7, 3), out;
		png_bytep rows[7];
		void *bytes;
		size_t size;
		problem p = { 0 };
		for (size_t y = 0; y < 7; y++)
			rows[y] = in.pixels + y * 27;
		if (k)
			write_jpeg(whole, &in, JCS_RGB);
		else
			write_png(whole, 9, 7, 8, PNG_COLOR_TYPE_RGB, rows, NULL);
		cr_assert_eq(file_read(whole, &bytes, &size, &p), CLAST_OK);
		for (size_t n = 0; n < size; n++) {
			write_file(path, bytes, n);
			if (!image_read(path, &out, &p)) /* libjpeg fills in what a cut file lacks */
				cr_expect(k && out.width == 9);
			image_free(&out);
		}
		free(bytes);
		image_free(&in);
	}
	image out;
	problem p = { 0 };
	cr_expect_eq(image_read(in_folder(folder, "none.png"), &out, &p), CLAST_ERROR_IO);
	remove_folder(folder);
}

/* ---- Preprocessing ---- */

static clast_value_info picture(clast_dtype dtype, int64_t a, int64_t b, int64_t c, int64_t d)
{
	return (clast_value_info){ .name = "image", .dtype = dtype, .rank = 4, .dims = { a, b, c, d } };
}

static file_tensor load(const char *path, const char *how, const char *fit, const clast_value_info *v)
{
	preprocessing w;
	file_tensor t;
	problem p = { 0 };
	cr_assert_eq(preprocessing_parse(how, fit, v->dtype, &w, &p), CLAST_OK);
	cr_assert_eq(picture_read(path, &w, v, &t, &p), CLAST_OK, "%s", p.diag.message);
	return t;
}

/* Four pixels: red, green, blue, white. */
static const char *four_pixels(const char *folder)
{
	unsigned char pixels[] = { 255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255 };
	const char *path = in_folder(folder, "four.png");
	write_png(path, 2, 2, 8, PNG_COLOR_TYPE_RGB, (png_bytep[]){ pixels, pixels + 6 }, NULL);
	return path;
}

Test(picture, values_are_scaled_and_normalised)
{
	const char *folder = make_folder(), *path = four_pixels(folder);
	const clast_value_info v = picture(CLAST_FLOAT32, 1, 3, 2, 2);
	file_tensor t = load(path, "unit", NULL, &v);
	const float *x = clast_tensor_data(t.tensor);
	cr_expect_arr_eq(x, ((float[]){ 1, 0, 0, 1, 0, 1, 0, 1, 0, 0, 1, 1 }), 48);
	file_tensor_free(&t);
	t = load(path, "0.5,0.25", NULL, &v);
	x = clast_tensor_data(t.tensor);
	cr_expect_eq(x[0], 2);
	cr_expect_eq(x[1], -2);
	file_tensor_free(&t);
	t = load(path, "0,0.5,1,1,2,4", NULL, &v);
	x = clast_tensor_data(t.tensor);
	cr_expect(x[0] == 1 && x[4] == -0.25f && x[8] == -0.25f);
	file_tensor_free(&t);
	remove_folder(folder);
}

Test(picture, imagenet_equals_the_usual_transform)
{
	const char *folder = make_folder(), *path = in_folder(folder, "big.png");
	image in = pattern(512, 300, 3), resized, cropped;
	png_bytep rows[300];
	problem p = { 0 };
	for (size_t y = 0; y < 300; y++)
		rows[y] = in.pixels + y * 512 * 3;
	write_png(path, 512, 300, 8, PNG_COLOR_TYPE_RGB, rows, NULL);
	const clast_value_info v = picture(CLAST_FLOAT32, -1, 3, 224, 224);
	file_tensor t = load(path, "imagenet", NULL, &v);
	/* Resize(256): the short side; CenterCrop(224). */
	cr_assert_eq(image_resize(&in, 436, 256, &resized, &p), CLAST_OK);
	cr_assert_eq(image_crop(&resized, 224, 224, &cropped, &p), CLAST_OK);
	const float *x = clast_tensor_data(t.tensor);
	for (size_t c = 0; c < 3; c++)
		for (size_t k = 0; k < 224 * 224; k++) {
			static const double mean[] = { 0.485, 0.456, 0.406 },
					    deviation[] = { 0.229, 0.224, 0.225 };
			const double want = (cropped.pixels[3 * k + c] / 255.0 - mean[c]) / deviation[c];
			cr_assert_float_eq(x[c * 224 * 224 + k], want, 1e-6);
		}
	file_tensor_free(&t);
	image_free(&in);
	image_free(&resized);
	image_free(&cropped);
	remove_folder(folder);
}

Test(picture, goes_where_the_input_has_its_channels)
{
	const char *folder = make_folder(), *path = four_pixels(folder);
	clast_value_info v = picture(CLAST_UINT8, 1, 2, 2, 3); /* channels last, bytes */
	file_tensor t = load(path, NULL, NULL, &v);
	cr_expect_arr_eq(clast_tensor_data(t.tensor), ((uint8_t[]){ 255, 0, 0, 0, 255, 0 }), 6);
	file_tensor_free(&t);
	v = picture(CLAST_FLOAT32, 1, 1, 2, 2); /* grey */
	t = load(path, NULL, NULL, &v);
	cr_expect_float_eq(((float *)clast_tensor_data(t.tensor))[0], 76 / 255.0, 1e-6);
	file_tensor_free(&t);
	v = picture(CLAST_FLOAT32, -1, -1, -1, -1); /* nothing known: the file's own size */
	t = load(path, NULL, NULL, &v);
	cr_expect(clast_tensor_dims(t.tensor)[1] == 3 && clast_tensor_dims(t.tensor)[2] == 2);
	file_tensor_free(&t);
	v = picture(CLAST_FLOAT32, 1, 3, 4, 2); /* another size */
	t = load(path, NULL, "stretch", &v);
	cr_expect_eq(clast_tensor_dims(t.tensor)[2], 4);
	cr_expect_eq(((float *)clast_tensor_data(t.tensor))[0], 1);
	file_tensor_free(&t);
	v = (clast_value_info){ .name = "x", .dtype = CLAST_FLOAT32, .rank = 2, .dims = { 1, 3 } };
	cr_expect_not(picture_fits(&v));
	remove_folder(folder);
}

Test(picture, wrong_preprocessing_is_refused)
{
	static const char *const wrong[] = { "",    "imagenett", "0.5",  "1,2,3", "0,0", "1,2,3,4,5,0",
					     "a,b", "1,2,",      "nan,1" };
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		preprocessing w;
		problem p = { 0 };
		cr_expect_eq(preprocessing_parse(wrong[i], NULL, CLAST_FLOAT32, &w, &p), CLAST_ERROR_ARGUMENT,
			     "%s", wrong[i]);
	}
}
