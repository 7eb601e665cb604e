/* Reading the wire format of protocol buffers, one field after the other. */
#ifndef CLAST_IMPORTER_WIRE_H
#define CLAST_IMPORTER_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 } wire_type;

typedef struct wire_field {
	uint32_t number;
	wire_type type;
	size_t at, end; /* the value, without its length prefix */
	uint64_t value; /* of a varint */
} wire_field;

/* Reads a varint of at most 64 bits at *at, which moves behind it. False if it is cut off or too large. */
static inline bool wire_varint(const uint8_t *bytes, size_t *at, size_t end, uint64_t *value)
{
	uint64_t v = 0;
	for (unsigned shift = 0; shift < 70 && *at < end; shift += 7) {
		const uint8_t byte = bytes[(*at)++];
		if (shift == 63 && byte > 1)
			return false;
		v |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80) {
			*value = v;
			return true;
		}
	}
	return false;
}

/* Reads the field at *at, which moves behind it. NULL, or what is wrong; *at then lies somewhere inside the
 * field. */
static inline const char *wire_next(const uint8_t *bytes, size_t *at, size_t end, wire_field *f)
{
	uint64_t tag, length;
	if (!wire_varint(bytes, at, end, &tag))
		return "the tag of a field is cut off";
	/* Field numbers have 29 bits; wire types 3 and 4 are groups, which ONNX does not use, 6 and 7 mean
	 * nothing. */
	if (tag >> 32 || tag < 8)
		return "a field has an impossible number";
	f->number = (uint32_t)(tag >> 3);
	f->type = (wire_type)(tag & 7);
	f->at = *at;
	switch (f->type) {
	case WIRE_VARINT:
		if (!wire_varint(bytes, at, end, &f->value))
			return "a varint is cut off or has more than 64 bits";
		break;
	case WIRE_FIXED32:
	case WIRE_FIXED64:
		length = f->type == WIRE_FIXED32 ? 4 : 8;
		if (end - *at < length)
			return "a number is cut off";
		*at += length;
		break;
	case WIRE_BYTES:
		if (!wire_varint(bytes, at, end, &length))
			return "a length is cut off";
		if (length > end - *at)
			return "a length reaches beyond the end";
		f->at = *at;
		*at += length;
		break;
	default:
		return "a field has a wire type that ONNX does not use";
	}
	f->end = *at;
	return NULL;
}

#endif
