#include "program.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clast/clast.h"

/* ---- Processes ---- */

typedef struct stream {
	char *text;
	size_t length;
} stream;

static bool take(int descriptor, stream *s)
{
	char piece[4096];
	const ssize_t n = read(descriptor, piece, sizeof(piece));
	if (n <= 0)
		return false;
	s->text = realloc(s->text, s->length + (size_t)n + 1);
	cr_assert_not_null(s->text);
	memcpy(s->text + s->length, piece, (size_t)n);
	s->length += (size_t)n;
	s->text[s->length] = 0;
	return true;
}

static result wait_for(pid_t pid, int out, int err)
{
	stream streams[2] = { { calloc(1, 1), 0 }, { calloc(1, 1), 0 } };
	struct pollfd polls[2] = { { out, POLLIN, 0 }, { err, POLLIN, 0 } };
	int status;
	while (polls[0].fd >= 0 || polls[1].fd >= 0) {
		poll(polls, 2, -1);
		for (int i = 0; i < 2; i++)
			if (polls[i].fd >= 0 && polls[i].revents && !take(polls[i].fd, &streams[i])) {
				close(polls[i].fd);
				polls[i].fd = -1;
			}
	}
	waitpid(pid, &status, 0);
	return (result){ WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), streams[0].text,
			 streams[1].text };
}

static result run(const char *path, char *const *words)
{
	int out[2], err[2];
	cr_assert(!pipe(out) && !pipe(err));
	const pid_t pid = fork();
	cr_assert_geq(pid, 0);
	if (!pid) {
		dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		dup2(err[1], STDERR_FILENO);
		for (int i = 3; i < 64; i++)
			close(i);
		setenv("CLAST", CLAST_PROGRAM, 1);
		setenv("FAULT", CLAST_FAULT, 1);
		execv(path, words);
		_exit(127);
	}
	close(out[1]);
	close(err[1]);
	return wait_for(pid, out[0], err[0]);
}

result run_clast(const char *const *words)
{
	char *all[64] = { "clast" };
	size_t n = 1;
	while (words[n - 1] && n < 63) {
		all[n] = (char *)words[n - 1];
		n++;
	}
	return run(CLAST_PROGRAM, all);
}

result run_shell(const char *line)
{
	char *words[] = { "sh", "-c", (char *)line, NULL };
	return run("/bin/sh", words);
}

void result_free(result *r)
{
	free(r->out);
	free(r->err);
	*r = (result){ 0 };
}

/* ---- Files ---- */

const char *make_folder(void)
{
	static char folders[4][64];
	static size_t next;
	char *folder = folders[next++ % 4];
	strcpy(folder, "/tmp/clast-test-XXXXXX");
	cr_assert_not_null(mkdtemp(folder));
	return folder;
}

void remove_folder(const char *folder)
{
	char line[128];
	snprintf(line, sizeof(line), "rm -rf '%s'", folder);
	cr_expect_eq(system(line), 0);
}

const char *in_folder(const char *folder, const char *name)
{
	static char paths[16][256];
	static size_t next;
	char *path = paths[next++ % 16];
	snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

void write_file(const char *path, const void *bytes, size_t size)
{
	FILE *f = fopen(path, "wb");
	cr_assert_not_null(f);
	cr_assert(!size || fwrite(bytes, 1, size, f) == size);
	fclose(f);
}

/* ---- Models: just enough of the protobuf wire format ---- */

typedef struct message {
	unsigned char bytes[1024];
	size_t size;
} message;

static void put_varint(message *m, uint64_t x)
{
	for (; x >= 128; x >>= 7)
		m->bytes[m->size++] = (unsigned char)(x | 128);
	m->bytes[m->size++] = (unsigned char)x;
}

static void put_number(message *m, unsigned field, uint64_t x)
{
	put_varint(m, field << 3);
	put_varint(m, x);
}

static void put_bytes(message *m, unsigned field, const void *bytes, size_t size)
{
	put_varint(m, field << 3 | 2);
	put_varint(m, size);
	memcpy(m->bytes + m->size, bytes, size);
	m->size += size;
}

static void put_text(message *m, unsigned field, const char *text)
{
	put_bytes(m, field, text, strlen(text));
}

static void put_message(message *m, unsigned field, const message *inner)
{
	put_bytes(m, field, inner->bytes, inner->size);
}

static message value_info(const char *name, size_t rank, const int64_t *dims)
{
	static const char *const names[] = { "n", "m", "k", "l" };
	message shape = { 0 }, tensor = { 0 }, type = { 0 }, value = { 0 };
	for (size_t a = 0; a < rank; a++) {
		message dim = { 0 };
		if (dims[a] < 0)
			put_text(&dim, 2, names[a % 4]);
		else
			put_number(&dim, 1, (uint64_t)dims[a]);
		put_message(&shape, 1, &dim);
	}
	put_number(&tensor, 1, CLAST_FLOAT32);
	put_message(&tensor, 2, &shape);
	put_message(&type, 1, &tensor);
	put_text(&value, 1, name);
	put_message(&value, 2, &type);
	return value;
}

void write_model(const char *path, const char *op, size_t rank, const int64_t *dims)
{
	message node = { 0 }, graph = { 0 }, opset = { 0 }, model = { 0 };
	const message x = value_info("x", rank, dims), y = value_info("y", rank, dims);
	put_text(&node, 1, "x");
	put_text(&node, 2, "y");
	put_text(&node, 3, "the_node");
	put_text(&node, 4, op);
	put_message(&graph, 1, &node);
	put_text(&graph, 2, "g");
	put_message(&graph, 11, &x);
	put_message(&graph, 12, &y);
	put_number(&opset, 2, 13);
	put_number(&model, 1, 8);
	put_message(&model, 7, &graph);
	put_message(&model, 8, &opset);
	write_file(path, model.bytes, model.size);
}

static void write_pair(const char *path, float a, float b)
{
	clast_tensor *t;
	float data[2] = { a, b };
	cr_assert_eq(clast_tensor_wrap(CLAST_FLOAT32, 1, (int64_t[]){ 2 }, NULL, data, &t, NULL), CLAST_OK);
	cr_assert_eq(clast_tensor_save(t, path, NULL), CLAST_OK);
	clast_tensor_free(&t);
}

void write_case(const char *folder, const char *name, const char *op, float expected)
{
	char path[400];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	mkdir(path, 0777);
	snprintf(path, sizeof(path), "%s/%s/test_data_set_0", folder, name);
	mkdir(path, 0777);
	snprintf(path, sizeof(path), "%s/%s/model.onnx", folder, name);
	write_model(path, op, 1, (int64_t[]){ 2 });
	snprintf(path, sizeof(path), "%s/%s/test_data_set_0/input_0.pb", folder, name);
	write_pair(path, -1, 2);
	snprintf(path, sizeof(path), "%s/%s/test_data_set_0/output_0.pb", folder, name);
	write_pair(path, 0, expected);
}
