/* Writes the first inputs of the fuzzers into a folder. */
#include <stdio.h>
#include <string.h>

#include "write_onnx.h"

static int save(const char *folder, const char *name, const file *f)
{
	char path[4096];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *out = fopen(path, "wb");
	if (!out)
		return perror(path), 1;
	const size_t written = fwrite(f->bytes, 1, f->size, out);
	return fclose(out) || written != f->size;
}

int main(int argc, char **argv)
{
	file f;
	if (argc != 2)
		return fprintf(stderr, "usage: %s FOLDER\n", argv[0]), 2;
	put_mixed_model(&f);
	int failed = save(argv[1], "mixed.onnx", &f);
	file_free(&f);
	begin_tensor(&f, 1, "w", 1, "2 2");
	f.depth = 0;
	memmove(f.bytes, f.bytes + 1, --f.size); /* without the tag of the message around it */
	put_bytes(&f, 9, "0123456789abcdef", 16);
	failed |= save(argv[1], "tensor.pb", &f);
	file_free(&f);
	return failed;
}
