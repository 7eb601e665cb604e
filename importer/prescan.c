#include "prescan.h"

#include <string.h>

#include "checked.h"
#include "onnx.pb-c.h"
#include "wire.h"

enum { DEFAULT_NODES = 4000000, DEFAULT_NESTING = 64, MESSAGES_PER_NODE = 16, LENGTH_BYTES = 5 };
/* protobuf-c keeps lengths in an int, and counts in an unsigned. */
#define SKELETON_MAX_BYTES ((size_t)INT32_MAX)

typedef struct frame {
	const ProtobufCMessageDescriptor *message;
	size_t end;       /* of the message in the file */
	size_t length_at; /* of its length in the skeleton */
	uint64_t seen;    /* fields that occurred, by their index in the descriptor */
} frame;

typedef struct scan {
	mem *m;
	const uint8_t *bytes;
	size_t at;
	frame *frames;
	size_t depth, capacity, max_depth;
	size_t nodes, tensors, max_nodes, messages, max_messages;
	skeleton *out;
	clast_diag *d;
} scan;

static clast_status bad(scan *s, size_t at, const ProtobufCFieldDescriptor *field, const char *what)
{
	const char *message = s->frames[s->depth - 1].message->short_name;
	if (field)
		return fail(s->d, CLAST_ERROR_MODEL, "malformed at byte %zu: %s.%s: %s", at, message,
			    field->name, what);
	return fail(s->d, CLAST_ERROR_MODEL, "malformed at byte %zu: %s: %s", at, message, what);
}

/* ---- Writing the skeleton ---- */

static clast_status put(scan *s, const void *bytes, size_t n)
{
	skeleton *o = s->out;
	if (n > SKELETON_MAX_BYTES - o->size)
		return fail(s->d, CLAST_ERROR_LIMIT, "the model without its tensors has more than %zu bytes",
			    SKELETON_MAX_BYTES);
	if (!grow(s->m, &o->bytes, &o->capacity, o->size + n, 1))
		return fail_memory(s->d, o->size + n);
	if (n)
		memcpy(o->bytes + o->size, bytes, n);
	o->size += n;
	return CLAST_OK;
}

static clast_status put_varint(scan *s, uint64_t value)
{
	uint8_t bytes[10];
	size_t n = 0;
	for (; value >= 0x80; value >>= 7)
		bytes[n++] = (uint8_t)(value | 0x80);
	bytes[n++] = (uint8_t)value;
	return put(s, bytes, n);
}

static clast_status put_tag(scan *s, uint32_t number, wire_type type)
{
	return put_varint(s, (uint64_t)number << 3 | type);
}

static clast_status put_fixed64(scan *s, uint32_t number, uint64_t value)
{
	uint8_t bytes[8];
	for (int i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(value >> 8 * i);
	clast_status status = put_tag(s, number, WIRE_FIXED64);
	return status ? status : put(s, bytes, 8);
}

static clast_status put_field(scan *s, const wire_field *f)
{
	clast_status status = put_tag(s, f->number, f->type);
	if (!status && f->type == WIRE_BYTES)
		status = put_varint(s, f->end - f->at);
	return status ? status : put(s, s->bytes + f->at, f->end - f->at);
}

/* What protobuf-c allocates, rounded as a bump rounds. */
static void count_bytes(scan *s, size_t bytes)
{
	s->out->unpacked_bytes += (bytes + 31) & ~(size_t)15;
}

/* ---- Messages ---- */

static clast_status push(scan *s, const ProtobufCMessageDescriptor *message, size_t end, size_t length_at)
{
	if (s->depth >= s->max_depth)
		return fail(s->d, CLAST_ERROR_LIMIT,
			    "malformed or too deep at byte %zu: messages are nested in more than %zu levels "
			    "(limit nesting)",
			    s->at, s->max_depth);
	if (++s->messages > s->max_messages)
		return fail(s->d, CLAST_ERROR_LIMIT, "more than %zu messages (%d times the limit of nodes)",
			    s->max_messages, MESSAGES_PER_NODE);
	if (message == &clast__node_proto__descriptor && ++s->nodes > s->max_nodes)
		return fail(s->d, CLAST_ERROR_LIMIT, "more than %zu nodes (limit nodes)", s->max_nodes);
	if (message == &clast__tensor_proto__descriptor && ++s->tensors > s->max_nodes)
		return fail(s->d, CLAST_ERROR_LIMIT, "more than %zu tensors (limit nodes)", s->max_nodes);
	if (!grow(s->m, &s->frames, &s->capacity, s->depth + 1, sizeof(frame)))
		return fail_memory(s->d, s->depth * sizeof(frame));
	s->frames[s->depth++] = (frame){ .message = message, .end = end, .length_at = length_at };
	count_bytes(s, message->sizeof_message + sizeof(void *));
	if (message != &clast__tensor_proto__descriptor)
		return CLAST_OK;
	clast_status status = put_fixed64(s, PRESCAN_FIRST_PRIVATE, s->at);
	return status ? status : put_fixed64(s, PRESCAN_FIRST_PRIVATE + 1, end - s->at);
}

static clast_status enter(scan *s, const ProtobufCFieldDescriptor *field, const wire_field *f)
{
	/* The length of the cleaned message is not known yet: five bytes hold any, if padded. */
	static const uint8_t room[LENGTH_BYTES];
	clast_status status = put_tag(s, f->number, WIRE_BYTES);
	const size_t length_at = s->out->size;
	if (!status)
		status = put(s, room, LENGTH_BYTES);
	s->at = f->at;
	return status ? status : push(s, field->descriptor, f->end, length_at);
}

static void leave(scan *s)
{
	const frame *f = &s->frames[--s->depth];
	if (!s->depth)
		return;
	size_t length = s->out->size - f->length_at - LENGTH_BYTES;
	uint8_t *to = s->out->bytes + f->length_at;
	for (int i = 0; i < LENGTH_BYTES; i++, length >>= 7)
		to[i] = (uint8_t)((length & 0x7f) | (i < LENGTH_BYTES - 1 ? 0x80 : 0));
}

/* ---- Fields ---- */

static bool is_payload(const ProtobufCMessageDescriptor *message, uint32_t number)
{
	return message == &clast__tensor_proto__descriptor &&
	       ((number >= 4 && number <= 7) || (number >= 9 && number <= 11));
}

/* The wire type of one element of a field. */
static wire_type element_wire(const ProtobufCFieldDescriptor *field)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_SFIXED32:
		return WIRE_FIXED32;
	case PROTOBUF_C_TYPE_DOUBLE:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_SFIXED64:
		return WIRE_FIXED64;
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
		return WIRE_BYTES;
	default:
		return WIRE_VARINT;
	}
}

static bool fits_int32(const ProtobufCFieldDescriptor *field, uint64_t value)
{
	return field->type != PROTOBUF_C_TYPE_INT32 || (int64_t)value == (int32_t)(int64_t)value;
}

static clast_status scan_packed(scan *s, const ProtobufCFieldDescriptor *field, const wire_field *f)
{
	const wire_type wire = element_wire(field);
	size_t count = 0, at = f->at;
	if (wire == WIRE_VARINT) {
		for (uint64_t value; at < f->end; count++)
			if (!wire_varint(s->bytes, &at, f->end, &value) || !fits_int32(field, value))
				return bad(s, at, field, "a number of the list is cut off or too large");
		count_bytes(s, count * 8);
	} else {
		if ((f->end - f->at) % (wire == WIRE_FIXED32 ? 4 : 8))
			return bad(s, at, field,
				   "the length of the list is no multiple of the size of its numbers");
		count_bytes(s, f->end - f->at);
	}
	return put_field(s, f);
}

static clast_status scan_value(scan *s, const ProtobufCFieldDescriptor *field, const wire_field *f)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_MESSAGE:
		return enter(s, field, f);
	case PROTOBUF_C_TYPE_STRING:
		if (f->end > f->at && memchr(s->bytes + f->at, 0, f->end - f->at))
			return bad(s, f->at, field, "the string holds a zero byte");
		break;
	case PROTOBUF_C_TYPE_INT32:
		if (!fits_int32(field, f->value))
			return bad(s, f->at, field, "the number does not fit in 32 bits");
		break;
	default:
		break;
	}
	count_bytes(s, f->type == WIRE_BYTES ? f->end - f->at + sizeof(ProtobufCBinaryData) : 8);
	return put_field(s, f);
}

static clast_status scan_field(scan *s)
{
	frame *top = &s->frames[s->depth - 1];
	const size_t start = s->at;
	wire_field f;
	const char *wrong = wire_next(s->bytes, &s->at, top->end, &f);
	if (wrong)
		return bad(s, start, NULL, wrong);
	const ProtobufCFieldDescriptor *field =
		f.number < PRESCAN_FIRST_PRIVATE
			? protobuf_c_message_descriptor_get_field(top->message, f.number)
			: NULL;
	if (!field)
		return CLAST_OK;
	const wire_type wire = element_wire(field);
	const bool repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
	const bool packed = repeated && wire != WIRE_BYTES && f.type == WIRE_BYTES;
	if (f.type != wire && !packed)
		return bad(s, start, field, "the field has the wire type of another");
	const uint64_t bit = UINT64_C(1) << (field - top->message->fields);
	if (!repeated && top->seen & bit)
		return bad(s, start, field, "the field occurs twice");
	top->seen |= bit;
	if (is_payload(top->message, f.number))
		return CLAST_OK;
	return packed ? scan_packed(s, field, &f) : scan_value(s, field, &f);
}

/* ---- The whole ---- */

static clast_status check_budget(const scan *s)
{
	const size_t limit = s->m->limit_bytes, used = s->m->used_bytes;
	if (limit && s->out->unpacked_bytes > limit - (used < limit ? used : limit))
		return fail(s->d, CLAST_ERROR_LIMIT,
			    "the model's structure needs about %zu bytes; %zu are in use, allowed are %zu "
			    "(limit memory_bytes)",
			    s->out->unpacked_bytes, used, limit);
	return CLAST_OK;
}

static void set_limits(scan *s, const clast_limits *limits)
{
	s->max_depth = limits && limits->nesting ? limits->nesting : DEFAULT_NESTING;
	if (s->max_depth > PRESCAN_MAX_NESTING)
		s->max_depth = PRESCAN_MAX_NESTING;
	s->max_nodes = limits && limits->nodes ? limits->nodes : DEFAULT_NODES;
	if (!size_mul(s->max_nodes, MESSAGES_PER_NODE, &s->max_messages))
		s->max_messages = SIZE_MAX;
}

clast_status prescan(mem *m, const clast_limits *limits, const ProtobufCMessageDescriptor *root,
		     const void *bytes, size_t size, skeleton *out, clast_diag *d)
{
	*out = (skeleton){ 0 };
	scan s = { .m = m, .bytes = bytes, .out = out, .d = d };
	set_limits(&s, limits);
	clast_status status = push(&s, root, size, 0);
	while (!status && s.depth) {
		if (s.at == s.frames[s.depth - 1].end)
			leave(&s);
		else
			status = scan_field(&s);
	}
	if (!status)
		status = check_budget(&s);
	mem_free(m, s.frames, s.capacity * sizeof(frame));
	return status;
}

void skeleton_free(mem *m, skeleton *s)
{
	mem_free(m, s->bytes, s->capacity);
	*s = (skeleton){ 0 };
}

/* ---- protobuf-c ---- */

static void *region_alloc(void *region, size_t bytes)
{
	return bump_alloc(region, bytes);
}

static void region_free(void *region, void *pointer)
{
	(void)region, (void)pointer; /* everything goes with the region */
}

clast_status skeleton_unpack(const skeleton *s, const ProtobufCMessageDescriptor *root, bump *region,
			     ProtobufCMessage **out, clast_diag *d)
{
	static const uint8_t nothing[1];
	ProtobufCAllocator allocator = { .alloc = region_alloc,
					 .free = region_free,
					 .allocator_data = region };
	*out = protobuf_c_message_unpack(root, &allocator, s->size, s->size ? s->bytes : nothing);
	/* Nothing else can make it fail: the skeleton is well-formed. */
	return *out ? CLAST_OK : fail_memory(d, s->unpacked_bytes);
}

clast_status prescan_unpack(bump *region, const clast_limits *limits, const ProtobufCMessageDescriptor *root,
			    const void *bytes, size_t size, ProtobufCMessage **out, clast_diag *d)
{
	skeleton s;
	clast_status status = prescan(region->m, limits, root, bytes, size, &s, d);
	if (!status)
		status = skeleton_unpack(&s, root, region, out, d);
	skeleton_free(region->m, &s);
	return status;
}
