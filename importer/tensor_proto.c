#include "tensor_proto.h"

#include <stdio.h>
#include <string.h>

#include "checked.h"
#include "prescan.h"
#include "wire.h"

/* Constants below this size are copied even where they could stay in the file: one of them would keep it
 * mapped. */
#define KEEP_BYTES 4096
/* From this size on, the pages of the file that were copied are given back at once. */
#define FORGET_BYTES 65536
/* Overlapping external data may make a small file large in memory; so often its size may be copied out of it.
 * Packed 2-bit elements grow four times. */
#define MAX_EXTERNAL_COPIES 16
/* A sparse tensor may grow to limits.fold_bytes, and beyond that so many times the bytes that it has. */
#define MAX_SPARSE_GROWTH 64

/* The payload fields, by number. */
enum {
	FLOAT_DATA = 4,
	INT32_DATA = 5,
	STRING_DATA = 6,
	INT64_DATA = 7,
	RAW_DATA = 9,
	DOUBLE_DATA = 10,
	UINT64_DATA = 11
};
static const char *const payload_names[] = {
	[FLOAT_DATA] = "float_data",  [INT32_DATA] = "int32_data", [STRING_DATA] = "string_data",
	[INT64_DATA] = "int64_data",  [RAW_DATA] = "raw_data",     [DOUBLE_DATA] = "double_data",
	[UINT64_DATA] = "uint64_data"
};

typedef struct tensor_header {
	const Clast__TensorProto *proto;
	clast_dtype dtype;
	int rank;
	int64_t dims[CLAST_MAX_RANK];
	size_t count, bytes; /* bytes in memory */
	size_t packed_bytes; /* bytes of the raw payload */
	char text[160];      /* for messages */
} tensor_header;

static size_t packed_size(clast_dtype t, size_t count)
{
	const size_t bits = dtype_bits(t);
	return bits >= 8 ? count * (bits / 8) : count / (8 / bits) + (count % (8 / bits) != 0);
}

/* ---- Header ---- */

static void describe(tensor_header *h)
{
	size_t n = (size_t)snprintf(h->text, sizeof(h->text), "%s [", clast_dtype_name(h->dtype));
	for (int a = 0; a < h->rank && n < sizeof(h->text); a++)
		n += (size_t)snprintf(h->text + n, sizeof(h->text) - n, a ? ", %lld" : "%lld",
				      (long long)h->dims[a]);
	if (n < sizeof(h->text))
		snprintf(h->text + n, sizeof(h->text) - n, "]");
}

static clast_status read_dtype(const Clast__TensorProto *t, clast_dtype *out, clast_diag *d)
{
	*out = (clast_dtype)t->data_type;
	if (dtype_is_valid(*out))
		return CLAST_OK;
	if (t->data_type == 0)
		return fail(d, CLAST_ERROR_MODEL, "the tensor has no data_type");
	return fail(d, t->data_type < 0 ? CLAST_ERROR_MODEL : CLAST_ERROR_UNSUPPORTED,
		    "data_type %d of the tensor is not supported; known are 1 to %d", t->data_type,
		    CLAST_DTYPE_COUNT - 1);
}

static clast_status read_dims(tensor_header *h, const clast_limits *limits, size_t n, const int64_t *dims,
			      clast_diag *d)
{
	if (n > CLAST_MAX_RANK)
		return fail(d, CLAST_ERROR_UNSUPPORTED, "the tensor has %zu axes, supported are %d", n,
			    CLAST_MAX_RANK);
	h->rank = (int)n;
	for (size_t a = 0; a < n; a++) {
		h->dims[a] = dims[a];
		if (dims[a] < 0)
			return fail(d, CLAST_ERROR_MODEL, "axis %zu of the tensor has the extent %lld", a,
				    (long long)dims[a]);
	}
	describe(h);
	if (!dims_count(n, dims, &h->count) || !tensor_bytes(h->dtype, n, dims, &h->bytes))
		return fail(d, CLAST_ERROR_LIMIT, "the size of the tensor, %s, overflows", h->text);
	if (limits && limits->tensor_bytes && h->bytes > limits->tensor_bytes)
		return fail(d, CLAST_ERROR_LIMIT,
			    "the tensor, %s, has %zu bytes, allowed are %zu (limit tensor_bytes)", h->text,
			    h->bytes, limits->tensor_bytes);
	h->packed_bytes = packed_size(h->dtype, h->count);
	return CLAST_OK;
}

static clast_status read_header(tensor_header *h, const clast_limits *limits, const Clast__TensorProto *t,
				clast_diag *d)
{
	*h = (tensor_header){ .proto = t };
	clast_status status = read_dtype(t, &h->dtype, d);
	if (status)
		return status;
	if (t->segment)
		return fail(d, CLAST_ERROR_UNSUPPORTED, "tensors in segments are not supported");
	return read_dims(h, limits, t->n_dims, t->dims, d);
}

/* ---- Payload: what there is ---- */

/* One after the other, the pieces of one payload field. A packed list and a single number look the same here.
 */
typedef struct pieces {
	const uint8_t *bytes;
	size_t next, end; /* of the TensorProto */
	uint32_t number;
	size_t at, piece_end;
} pieces;

static pieces pieces_of(const tensor_reader *r, const Clast__TensorProto *t, uint32_t number)
{
	return (pieces){ .bytes = r->file->bytes, .next = t->at, .end = t->at + t->bytes, .number = number };
}

static bool next_piece(pieces *p)
{
	wire_field f;
	while (p->next < p->end && !wire_next(p->bytes, &p->next, p->end, &f)) {
		if (f.number != p->number)
			continue;
		p->at = f.at;
		p->piece_end = f.end;
		return true;
	}
	return false;
}

/* The one payload field that is not empty; 0 if there is none. */
static clast_status find_payload(const tensor_reader *r, const Clast__TensorProto *t, uint32_t *number,
				 clast_diag *d)
{
	size_t at = t->at;
	const size_t end = t->at + t->bytes;
	wire_field f;
	*number = 0;
	while (at < end && !wire_next(r->file->bytes, &at, end, &f)) {
		const bool payload = (f.number >= FLOAT_DATA && f.number <= INT64_DATA) ||
				     (f.number >= RAW_DATA && f.number <= UINT64_DATA);
		/* An element of string_data may be empty. */
		if (!payload || (f.at == f.end && f.number != STRING_DATA))
			continue;
		if (*number && *number != f.number)
			return fail(d, CLAST_ERROR_MODEL, "the tensor has %s and %s, expected one of them",
				    payload_names[*number], payload_names[f.number]);
		*number = f.number;
	}
	return CLAST_OK;
}

/* ---- Elements ---- */

/* Elements of 4 or 2 bits, the first in the lowest bits. */
static void unpack_bits(clast_dtype dtype, const uint8_t *from, uint8_t *to, size_t count)
{
	const unsigned bits = (unsigned)dtype_bits(dtype), each = 8 / bits, mask = (1u << bits) - 1;
	const unsigned sign = dtype == CLAST_INT4 || dtype == CLAST_INT2 ? 1u << (bits - 1) : 0;
	for (size_t i = 0; i < count; i++) {
		const unsigned x = from[i / each] >> i % each * bits & mask;
		to[i] = (uint8_t)((x ^ sign) - sign);
	}
}

/* Elements first, first + 1, ... of a raw payload. */
static void copy_some(const tensor_header *h, const uint8_t *raw, uint8_t *to, size_t first, size_t count)
{
	const uint8_t *from = raw + packed_size(h->dtype, first);
	const size_t element = clast_dtype_bytes(h->dtype);
	if (dtype_bits(h->dtype) < 8)
		unpack_bits(h->dtype, from, to + first, count);
	else if (h->dtype == CLAST_BOOL)
		for (size_t i = 0; i < count; i++)
			to[first + i] = from[i] != 0;
	else
		memcpy(to + first * element, from, count * element);
}

/* Piece by piece, so that the pages of a large tensor are not in memory twice. */
static void copy_raw(const tensor_header *h, const mapped_file *f, size_t at, bool forget, uint8_t *to)
{
	enum { PIECE = 1 << 20 }; /* elements; a multiple of those in a byte */
	for (size_t first = 0; first < h->count; first += PIECE) {
		const size_t count = h->count - first < PIECE ? h->count - first : PIECE;
		copy_some(h, f->bytes + at, to, first, count);
		if (forget)
			file_forget(f, at + packed_size(h->dtype, first), packed_size(h->dtype, count));
	}
}

static uint8_t *new_elements(const tensor_reader *r, const tensor_header *h, clast_diag *d)
{
	uint8_t *to = bump_raw(r->region, h->bytes);
	if (!to)
		fail_memory(d, h->bytes);
	return to;
}

/* Raw elements at `at` of a mapped file, whose size has been checked. */
static clast_status take_raw(const tensor_reader *r, const tensor_header *h, mapped_file *f, bool keep,
			     size_t at, void **out, clast_diag *d)
{
	/* Nothing aligns payloads in a model file. float32 may lie at any address (view_is_aligned). */
	const size_t element = clast_dtype_bytes(h->dtype);
	const size_t alignment = h->dtype == CLAST_FLOAT32 ? 1 : element < 8 ? element : 8;
	const uint8_t *from = f->bytes ? f->bytes + at : NULL;
	if (keep && h->bytes >= KEEP_BYTES && dtype_bits(h->dtype) >= 8 && h->dtype != CLAST_BOOL &&
	    (uintptr_t)from % alignment == 0) {
		f->kept = true;
		*out = (void *)from; /* constants are never written */
		return CLAST_OK;
	}
	uint8_t *to = new_elements(r, h, d);
	if (!to)
		return CLAST_ERROR_MEMORY;
	copy_raw(h, f, at, keep && h->packed_bytes >= FORGET_BYTES, to);
	*out = to;
	return CLAST_OK;
}

/* ---- Typed payload ---- */

static uint32_t typed_field(clast_dtype t)
{
	switch (t) {
	case CLAST_FLOAT32:
	case CLAST_COMPLEX64:
		return FLOAT_DATA;
	case CLAST_FLOAT64:
	case CLAST_COMPLEX128:
		return DOUBLE_DATA;
	case CLAST_INT64:
		return INT64_DATA;
	case CLAST_UINT32:
	case CLAST_UINT64:
		return UINT64_DATA;
	case CLAST_STRING:
		return STRING_DATA;
	default:
		return INT32_DATA;
	}
}

static clast_status wrong_count(const tensor_header *h, uint32_t number, size_t expected, size_t found,
				clast_diag *d)
{
	return fail(d, CLAST_ERROR_MODEL, "%s of the tensor, %s: expected %zu entries, found %zu",
		    payload_names[number], h->text, expected, found);
}

static clast_status read_fixed(const tensor_reader *r, const tensor_header *h, uint32_t number, void **out,
			       clast_diag *d)
{
	const size_t item = number == FLOAT_DATA ? 4 : 8;
	size_t found = 0;
	for (pieces p = pieces_of(r, h->proto, number); next_piece(&p);) {
		if ((p.piece_end - p.at) % item)
			return fail(d, CLAST_ERROR_MODEL,
				    "%s of the tensor: %zu bytes are no multiple of %zu",
				    payload_names[number], p.piece_end - p.at, item);
		found += p.piece_end - p.at;
	}
	if (found != h->bytes)
		return wrong_count(h, number, h->bytes / item, found / item, d);
	uint8_t *to = new_elements(r, h, d);
	*out = to;
	if (!to)
		return CLAST_ERROR_MEMORY;
	for (pieces p = pieces_of(r, h->proto, number); next_piece(&p); to += p.piece_end - p.at)
		memcpy(to, p.bytes + p.at, p.piece_end - p.at);
	return CLAST_OK;
}

/* Bits of one entry of int32_data or uint64_data; int64_data takes any. */
static clast_status check_entry(const tensor_header *h, uint64_t x, size_t index, clast_diag *d)
{
	const size_t bits = dtype_bits(h->dtype) < 8 ? 8 : dtype_bits(h->dtype);
	if (bits >= 64)
		return CLAST_OK;
	/* Writers disagree on the sign of what fills its bits. */
	const int64_t low = -(INT64_C(1) << (bits - 1)), high = INT64_C(1) << bits;
	if ((int64_t)x >= low && (int64_t)x < high)
		return CLAST_OK;
	return fail(d, CLAST_ERROR_MODEL, "entry %zu of the tensor, %s: %lld does not fit", index, h->text,
		    (long long)x);
}

static void store_entry(const tensor_header *h, uint8_t *to, size_t index, uint64_t x)
{
	const size_t bits = dtype_bits(h->dtype);
	if (bits < 8) {
		const size_t each = 8 / bits, first = index * each;
		const uint8_t byte = (uint8_t)x;
		unpack_bits(h->dtype, &byte, to + first, h->count - first < each ? h->count - first : each);
	} else if (bits == 8) {
		to[index] = h->dtype == CLAST_BOOL ? x != 0 : (uint8_t)x;
	} else if (bits == 16) {
		((uint16_t *)to)[index] = (uint16_t)x;
	} else if (bits == 32) {
		((uint32_t *)to)[index] = (uint32_t)x;
	} else {
		((uint64_t *)to)[index] = x;
	}
}

static clast_status read_varints(const tensor_reader *r, const tensor_header *h, uint32_t number, void **out,
				 clast_diag *d)
{
	const size_t expected = dtype_bits(h->dtype) < 8 ? h->packed_bytes : h->count;
	size_t found = 0;
	for (pieces p = pieces_of(r, h->proto, number); next_piece(&p);)
		for (size_t at = p.at; at < p.piece_end; at++)
			found += p.bytes[at] < 0x80;
	if (found != expected)
		return wrong_count(h, number, expected, found, d);
	uint8_t *to = new_elements(r, h, d);
	*out = to;
	if (!to)
		return CLAST_ERROR_MEMORY;
	size_t index = 0;
	for (pieces p = pieces_of(r, h->proto, number); next_piece(&p);)
		for (uint64_t x; p.at < p.piece_end; index++) {
			if (!wire_varint(p.bytes, &p.at, p.piece_end, &x) || index >= expected)
				return fail(d, CLAST_ERROR_MODEL,
					    "%s of the tensor: entry %zu is cut off or too large",
					    payload_names[number], index);
			const clast_status status = check_entry(h, x, index, d);
			if (status)
				return status;
			store_entry(h, to, index, x);
		}
	return CLAST_OK;
}

static clast_status read_strings(const tensor_reader *r, const tensor_header *h, void **out, clast_diag *d)
{
	size_t found = 0, index = 0;
	for (pieces p = pieces_of(r, h->proto, STRING_DATA); next_piece(&p);)
		found++;
	if (found != h->count)
		return wrong_count(h, STRING_DATA, h->count, found, d);
	clast_string *to = (clast_string *)new_elements(r, h, d);
	*out = to;
	if (!to)
		return CLAST_ERROR_MEMORY;
	for (pieces p = pieces_of(r, h->proto, STRING_DATA); next_piece(&p); index++) {
		to[index].length = p.piece_end - p.at;
		to[index].bytes = bump_string(r->region, (const char *)p.bytes + p.at, to[index].length);
		if (!to[index].bytes)
			return fail_memory(d, to[index].length);
	}
	return CLAST_OK;
}

static clast_status read_inline(const tensor_reader *r, const tensor_header *h, void **out, clast_diag *d)
{
	uint32_t number;
	clast_status status = find_payload(r, h->proto, &number, d);
	if (status)
		return status;
	if (!number && h->count)
		return fail(d, CLAST_ERROR_MODEL, "the tensor, %s, has no data", h->text);
	const uint32_t typed = typed_field(h->dtype);
	if (number == RAW_DATA && h->dtype != CLAST_STRING) {
		pieces p = pieces_of(r, h->proto, RAW_DATA);
		next_piece(&p);
		if (p.piece_end - p.at != h->packed_bytes)
			return fail(d, CLAST_ERROR_MODEL,
				    "raw_data of the tensor, %s: expected %zu bytes, found %zu", h->text,
				    h->packed_bytes, p.piece_end - p.at);
		return take_raw(r, h, r->file, r->keep, p.at, out, d);
	}
	if (number && number != typed)
		return fail(d, CLAST_ERROR_MODEL, "the payload of the tensor, %s: expected %s%s, found %s",
			    h->text, payload_names[typed], h->dtype == CLAST_STRING ? "" : " or raw_data",
			    payload_names[number]);
	if (typed == STRING_DATA)
		return read_strings(r, h, out, d);
	return typed == FLOAT_DATA || typed == DOUBLE_DATA ? read_fixed(r, h, typed, out, d)
							   : read_varints(r, h, typed, out, d);
}

/* ---- External payload ---- */

typedef struct external_place {
	const char *location, *offset, *length;
} external_place;

static clast_status read_place(const Clast__TensorProto *t, external_place *out, clast_diag *d)
{
	*out = (external_place){ 0 };
	for (size_t i = 0; i < t->n_external_data; i++) {
		const char *key = t->external_data[i]->key, *value = t->external_data[i]->value;
		const char **to = !key                       ? NULL
				  : !strcmp(key, "location") ? &out->location
				  : !strcmp(key, "offset")   ? &out->offset
				  : !strcmp(key, "length")   ? &out->length
							     : NULL;
		if (!to)
			continue; /* a checksum, or what later versions may add */
		if (*to)
			return fail(d, CLAST_ERROR_MODEL, "external data: the key %s occurs twice", key);
		*to = value ? value : "";
	}
	if (!out->location)
		return fail(d, CLAST_ERROR_MODEL, "external data without a location");
	return CLAST_OK;
}

static clast_status read_number(const char *text, const char *key, size_t *out, clast_diag *d)
{
	size_t x = 0;
	const char *at = text;
	for (; *at >= '0' && *at <= '9'; at++)
		if (!size_mul(x, 10, &x) || !size_add(x, (size_t)(*at - '0'), &x))
			break;
	if (*at || at == text)
		return fail(d, CLAST_ERROR_MODEL,
			    "external data: expected a number of bytes as %s, found \"%s\"", key,
			    quote(text).text);
	*out = x;
	return CLAST_OK;
}

static clast_status check_place(const tensor_header *h, const external_place *place, const mapped_file *f,
				size_t *offset, clast_diag *d)
{
	size_t length = h->packed_bytes;
	clast_status status = CLAST_OK;
	*offset = 0;
	if (place->offset)
		status = read_number(place->offset, "offset", offset, d);
	if (!status && place->length)
		status = read_number(place->length, "length", &length, d);
	if (status)
		return status;
	if (length != h->packed_bytes)
		return fail(d, CLAST_ERROR_MODEL,
			    "external data of the tensor, %s: expected a length of %zu bytes, found %zu",
			    h->text, h->packed_bytes, length);
	if (*offset > f->size || length > f->size - *offset)
		return fail(d, CLAST_ERROR_MODEL,
			    "external data of the tensor, %s: bytes %zu to %zu + %zu of \"%s\", which has "
			    "%zu bytes",
			    h->text, *offset, *offset, length, quote(place->location).text, f->size);
	return CLAST_OK;
}

static clast_status read_external(tensor_reader *r, const tensor_header *h, void **out, clast_diag *d)
{
	external_place place;
	mapped_file *f;
	size_t offset;
	uint32_t number;
	clast_status status = find_payload(r, h->proto, &number, d);
	if (status)
		return status;
	if (number)
		return fail(d, CLAST_ERROR_MODEL, "the tensor has %s and external data, expected one of them",
			    payload_names[number]);
	if (h->dtype == CLAST_STRING)
		return fail(d, CLAST_ERROR_MODEL, "strings cannot be external data");
	if (!r->external)
		return fail(d, CLAST_ERROR_MODEL, "external data is not allowed here");
	status = read_place(h->proto, &place, d);
	if (!status)
		status = external_open(r->external, place.location, &f, d);
	if (!status)
		status = check_place(h, &place, f, &offset, d);
	if (status)
		return status;
	status = take_raw(r, h, f, true, offset, out, d);
	if (status || *out == f->bytes + offset)
		return status;
	if (!size_add(f->copied_bytes, h->bytes, &f->copied_bytes) ||
	    f->copied_bytes / MAX_EXTERNAL_COPIES > f->size)
		return fail(d, CLAST_ERROR_LIMIT,
			    "tensors overlap in \"%s\" so that more than %d times its size is needed",
			    quote(place.location).text, MAX_EXTERNAL_COPIES);
	return CLAST_OK;
}

/* ---- Tensors ---- */

static clast_status read_tensor(tensor_reader *r, const Clast__TensorProto *t, tensor_view **out,
				clast_diag *d)
{
	tensor_header h;
	void *data = NULL;
	clast_status status = read_header(&h, r->limits, t, d);
	if (!status && t->data_location != 0 && t->data_location != 1)
		status = fail(d, CLAST_ERROR_MODEL, "data_location of the tensor: expected 0 or 1, found %d",
			      t->data_location);
	if (!status)
		status = t->data_location ? read_external(r, &h, &data, d) : read_inline(r, &h, &data, d);
	if (status)
		return status;
	tensor_view *v = bump_alloc(r->region, sizeof(*v));
	if (!v)
		return fail_memory(d, sizeof(*v));
	view_dense(v, h.dtype, h.rank, h.dims, data);
	*out = v;
	return CLAST_OK;
}

clast_status tensor_read(tensor_reader *r, Clast__TensorProto *t, const tensor_view **out, clast_diag *d)
{
	tensor_view *v = (tensor_view *)(uintptr_t)t->decoded;
	clast_status status = CLAST_OK;
	if (!v)
		status = read_tensor(r, t, &v, d);
	if (status && t->name)
		diag_value(d, t->name);
	if (status)
		return status;
	t->decoded = (uintptr_t)v;
	*out = v;
	return CLAST_OK;
}

/* ---- Sparse tensors ---- */

/* The row-major position of entry i, from indices [NNZ] or [NNZ, rank]. */
static bool sparse_position(const tensor_header *h, const tensor_view *indices, int64_t i, size_t *position)
{
	const int64_t *index = indices->data;
	if (indices->rank == 1) {
		*position = (size_t)index[i];
		return index[i] >= 0 && *position < h->count;
	}
	*position = 0;
	for (int a = 0; a < h->rank; a++) {
		const int64_t x = index[i * h->rank + a];
		if (x < 0 || x >= h->dims[a])
			return false;
		*position = *position * (size_t)h->dims[a] + (size_t)x;
	}
	return true;
}

static clast_status check_sparse(const tensor_header *h, const tensor_view *values,
				 const tensor_view *indices, clast_diag *d)
{
	if (values->rank != 1)
		return fail(d, CLAST_ERROR_MODEL, "values of a sparse tensor: expected one axis, found %d",
			    values->rank);
	const int64_t n = values->dims[0];
	if (indices->dtype != CLAST_INT64)
		return fail(d, CLAST_ERROR_MODEL, "indices of a sparse tensor: expected int64, found %s",
			    clast_dtype_name(indices->dtype));
	const bool flat = indices->rank == 1 && indices->dims[0] == n;
	const bool full = indices->rank == 2 && indices->dims[0] == n && indices->dims[1] == h->rank;
	if (!flat && !full)
		return fail(d, CLAST_ERROR_MODEL,
			    "indices of a sparse tensor: expected the shape [%lld] or [%lld, %d]",
			    (long long)n, (long long)n, h->rank);
	return CLAST_OK;
}

static clast_status check_growth(tensor_reader *r, const tensor_header *h, const tensor_view *values,
				 clast_diag *d)
{
	const size_t allowed = r->limits && r->limits->fold_bytes ? r->limits->fold_bytes : (size_t)64 << 20;
	const size_t entry = clast_dtype_bytes(h->dtype) + sizeof(int64_t);
	/* The products fit: the values are in memory, and the dense tensor has at most PTRDIFF_MAX bytes. */
	r->sparse_bytes += (size_t)values->dims[0] * entry;
	if (size_add(r->dense_bytes, h->bytes, &r->dense_bytes) &&
	    (r->dense_bytes <= allowed || (r->dense_bytes - allowed) / MAX_SPARSE_GROWTH <= r->sparse_bytes))
		return CLAST_OK;
	return fail(
		d, CLAST_ERROR_LIMIT,
		"sparse tensors, the last of them %s, need %zu bytes as dense ones (limit fold_bytes, %zu)",
		h->text, r->dense_bytes, allowed);
}

static clast_status fill_dense(tensor_reader *r, const tensor_header *h, const tensor_view *values,
			       const tensor_view *indices, uint8_t **out, clast_diag *d)
{
	uint8_t *to = new_elements(r, h, d);
	*out = to;
	if (!to)
		return CLAST_ERROR_MEMORY;
	memset(to, 0, h->bytes);
	if (h->dtype == CLAST_STRING)
		for (size_t i = 0; i < h->count; i++)
			((clast_string *)to)[i].bytes = "";
	const size_t element = clast_dtype_bytes(h->dtype);
	size_t position, last = 0;
	for (int64_t i = 0; i < values->dims[0]; i++, last = position) {
		if (!sparse_position(h, indices, i, &position))
			return fail(d, CLAST_ERROR_MODEL,
				    "index %lld of the sparse tensor lies outside of %s", (long long)i,
				    h->text);
		if (i && position <= last)
			return fail(d, CLAST_ERROR_MODEL,
				    "index %lld of the sparse tensor is not above the one before it",
				    (long long)i);
		memcpy(to + position * element, (const uint8_t *)values->data + (size_t)i * element, element);
	}
	return CLAST_OK;
}

clast_status sparse_tensor_read(tensor_reader *r, Clast__SparseTensorProto *t, const tensor_view **out,
				clast_diag *d)
{
	tensor_header h = { 0 };
	const tensor_view *values, *indices;
	uint8_t *data;
	if (!t->values || !t->indices)
		return fail(d, CLAST_ERROR_MODEL, "a sparse tensor has no %s",
			    t->values ? "indices" : "values");
	if (t->values->decoded && t->indices->decoded && t->indices->decoded == t->values->decoded) {
		*out = (const tensor_view *)(uintptr_t)t->values->decoded;
		return CLAST_OK;
	}
	clast_status status = tensor_read(r, t->values, &values, d);
	if (!status)
		status = tensor_read(r, t->indices, &indices, d);
	if (status)
		return status;
	h.dtype = values->dtype;
	status = read_dims(&h, r->limits, t->n_dims, t->dims, d);
	if (!status)
		status = check_sparse(&h, values, indices, d);
	if (!status)
		status = check_growth(r, &h, values, d);
	if (!status)
		status = fill_dense(r, &h, values, indices, &data, d);
	tensor_view *v = status ? NULL : bump_alloc(r->region, sizeof(*v));
	if (!status && !v)
		status = fail_memory(d, sizeof(*v));
	if (status) {
		diag_value(d, t->values->name);
		return status;
	}
	view_dense(v, h.dtype, h.rank, h.dims, data);
	/* Asked again (a function's body), it is given again: both parts then stand for the dense tensor. */
	t->values->decoded = t->indices->decoded = (uintptr_t)v;
	*out = v;
	return CLAST_OK;
}

/* ---- A tensor alone ---- */

clast_status tensor_proto_parse(bump *region, const clast_limits *limits, const void *bytes, size_t size,
				tensor_view *out, const char **name, clast_diag *d)
{
	mapped_file file = { .bytes = bytes, .size = size };
	tensor_reader r = { .region = region, .limits = limits, .file = &file };
	bump scratch;
	ProtobufCMessage *message;
	tensor_view *v = NULL;
	bump_init(&scratch, region->m);
	clast_status status =
		prescan_unpack(&scratch, limits, &clast__tensor_proto__descriptor, bytes, size, &message, d);
	const Clast__TensorProto *t = (const Clast__TensorProto *)message;
	if (!status)
		status = read_tensor(&r, t, &v, d);
	if (!status) {
		const char *from = t->name ? t->name : "";
		*name = bump_string(region, from, strlen(from));
		status = *name ? CLAST_OK : fail_memory(d, strlen(from));
	}
	if (!status)
		*out = *v;
	bump_release(&scratch);
	return status;
}
