/* The first look at a file: the wire format of protocol buffers, checked before protobuf-c unpacks it.
 *
 * protobuf-c recurses as deep as the file says, keeps counts and lengths in 32 bits, merges messages that
 * occur twice and copies every payload. So the file is walked first, iteratively and with bounds, guided by
 * the descriptors that protobuf-c generated from onnx.proto, and what is left for protobuf-c is a cleaned
 * copy, the skeleton:
 * - unknown fields are gone (skipped; groups are refused);
 * - every field has its declared wire type, every length, varint and packed list is whole and in range, names
 * hold no NUL, no field that is not repeated occurs twice, int32 fields fit in 32 bits;
 * - the payload of a TensorProto is gone; `at` and `bytes` say where the message lies in the file. */
#ifndef CLAST_IMPORTER_PRESCAN_H
#define CLAST_IMPORTER_PRESCAN_H

#include <protobuf-c/protobuf-c.h>

#include "diag.h"
#include "mem.h"

/* Fields of onnx.proto from this number on are not on the wire: prescan writes them. */
#define PRESCAN_FIRST_PRIVATE 1000
/* However large limits.nesting is: protobuf-c needs about 1 KiB of stack for each level. */
#define PRESCAN_MAX_NESTING 1000

typedef struct skeleton {
	uint8_t *bytes;
	size_t size, capacity;
	size_t unpacked_bytes; /* roughly what protobuf-c will allocate */
} skeleton;

/* Writes the skeleton of a message of type root; free it with skeleton_free, also after a failure.
 * CLAST_ERROR_MODEL with the place and the field, or CLAST_ERROR_LIMIT. Linear in size, except that payloads
 * are not touched. */
clast_status prescan(mem *m, const clast_limits *limits, const ProtobufCMessageDescriptor *root,
		     const void *bytes, size_t size, skeleton *out, clast_diag *d);
void skeleton_free(mem *m, skeleton *s);
/* Unpacks a skeleton into region, which owns the message. */
clast_status skeleton_unpack(const skeleton *s, const ProtobufCMessageDescriptor *root, bump *region,
			     ProtobufCMessage **out, clast_diag *d);
/* Both at once, for messages read once. */
clast_status prescan_unpack(bump *region, const clast_limits *limits, const ProtobufCMessageDescriptor *root,
			    const void *bytes, size_t size, ProtobufCMessage **out, clast_diag *d);

#endif
